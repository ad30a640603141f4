"""A terminal of one screen, as far as the console uses one: what a user sees after some octets."""


class Vt:
    """lines[-1] is where the cursor is; octets: how many came in all. Raises ValueError for anything else."""

    def __init__(self, width=80):
        self.width = width
        self.lines, self.at = [""], 0
        self.octets, self.bells = 0, 0
        self._rest = b""

    def feed(self, data):
        self.octets += len(data)
        text = (self._rest + data).decode()
        self._rest = b""
        index = 0
        while index < len(text):
            index += self._one(text, index)

    def _one(self, text, index):
        character = text[index]
        line = self.lines[-1]
        if character == "\r":
            self.at = 0
        elif character == "\n":
            self.lines.append(" " * self.at)
        elif character == "\b":
            self.at -= 1
            if self.at < 0:
                raise ValueError("back over the margin")
        elif character == "\x07":
            self.bells += 1
        elif character == "\x1b":
            end = index + 2
            while not "@" <= text[end] <= "~":
                end += 1
            self._sequence(text[index + 1 : end], text[end])
            return end + 1 - index
        elif character < " ":
            raise ValueError("control character %d" % ord(character))
        else:
            if self.at >= self.width:
                raise ValueError("over the right margin")
            line += " " * (self.at - len(line))
            self.lines[-1] = line[: self.at] + character + line[self.at + 1 :]
            self.at += 1
        return 1

    def _sequence(self, parameters, final):
        number = int(parameters[1:]) if parameters[1:].isdigit() else 1
        line = self.lines[-1]
        if final == "D":
            self.at -= number
        elif final == "C":
            self.at += number
        elif final == "K":
            self.lines[-1] = line[: self.at]
        elif final == "@":
            self.lines[-1] = line[: self.at] + " " * number + line[self.at :]
        elif final == "P":
            self.lines[-1] = line[: self.at] + line[self.at + number :]
        elif final not in "hl":
            raise ValueError("ESC %s%s" % (parameters, final))
        if self.at < 0:
            raise ValueError("over the left margin")

    def shown(self):
        """Lines without what cannot be seen."""
        return [line.rstrip() for line in self.lines]
