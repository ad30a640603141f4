"""The line editor: what a user sees after some keys, in how few octets, and what noise does."""

import random

from careof.console import editor as editors
from careof.console.editor import Editor, End, Interrupt, Line
from careof.console.keys import Keys
from vt import Vt

LEFT, RIGHT, UP, DOWN, HOME, END_OF_LINE, DELETE = (
    b"\x1b[D",
    b"\x1b[C",
    b"\x1b[A",
    b"\x1b[B",
    b"\x01",
    b"\x05",
    b"\x1b[3~",
)
PASTE, PASTED = b"\x1b[200~", b"\x1b[201~"


class Guide:
    """Completes `sh` to `show `, knows that what follows `key ` is a secret."""

    def complete(self, text):
        return ("ow ", []) if text == "sh" else ("", ["one", "two"] if text == "" else [])

    def help(self, text):
        return ["help for '%s'" % text[:20]]

    def in_quotes(self, text):
        return text.count("'") % 2 == 1

    def secret_from(self, text):
        return 4 if text.startswith("key ") else None


class Typist:
    """An editor and a terminal."""

    def __init__(self, width=80):
        self.editor = Editor(Guide(), "> ", width)
        self.vt = Vt(width)
        self.events = []
        self.look()

    def look(self):
        self.editor.refresh()
        output = self.editor.take_output()
        self.vt.feed(output)
        return len(output)

    def type(self, *keys):
        """Each key with time after it; the octets that the terminal got."""
        count = 0
        for key in keys:
            self.events += self.editor.feed(key)
            output = self.editor.take_output()
            self.vt.feed(output)
            count += len(output) + self.look()
        return count

    def paste(self, data):
        """All at once."""
        self.events += self.editor.feed(data)
        self.vt.feed(self.editor.take_output())
        self.look()

    def line(self):
        return self.vt.shown()[-1]


def letters(text):
    return [bytes((octet,)) for octet in text.encode()]


def test_a_letter_at_the_end_costs_an_octet():
    typist = Typist()
    assert typist.type(*letters("show status")) == len("show status")
    assert typist.line() == "> show status" and typist.vt.at == 13


def test_what_is_entered_is_the_line_and_the_next_prompt_is_below():
    typist = Typist()
    typist.type(*letters("show"), b"\r", *letters("exit"), b"\n")
    assert typist.events == [Line("show"), Line("exit")]
    assert typist.vt.shown() == ["> show", "> exit", ">"]


def test_return_and_line_feed_together_are_one_enter():
    typist = Typist()
    typist.type(b"a", b"\r\n", b"b", b"\r", b"\n", b"\n")
    assert typist.events == [Line("a"), Line("b"), Line("")]


def test_changes_in_the_middle_are_drawn_in_a_few_octets():
    typist = Typist()
    typist.type(*letters("set uplink wan preference 10"))
    assert typist.type(HOME) <= 5
    assert typist.type(b"X") <= 5  # not the 28 letters behind it
    assert typist.line() == "> Xset uplink wan preference 10"
    assert typist.type(b"\x7f") <= 5
    assert typist.type(DELETE) <= 4
    assert typist.line() == "> et uplink wan preference 10" and typist.vt.at == 2
    typist.type(END_OF_LINE)
    assert typist.type(b"\x7f") <= 3
    assert typist.line() == "> et uplink wan preference 1"
    assert typist.type(LEFT, LEFT, RIGHT) <= 3


def test_kill_and_yank():
    typist = Typist()
    typist.type(*letters("one two three"), b"\x17")
    assert typist.line() == "> one two"
    typist.type(HOME, b"\x19")
    assert typist.line() == "> threeone two"
    typist.type(b"\x0b", b"\x15")
    assert typist.line() == ">"
    typist.type(b"\x19")
    assert typist.line() == "> three"
    typist.type(b"\x1bb", b"x", b"\x1bf", b"y")
    assert typist.line() == "> xthreey"


def test_history_goes_back_and_comes_to_what_was_begun():
    typist = Typist()
    typist.type(*letters("one\rtwo\rtwo\r"), *letters("thr"), UP)
    assert typist.line() == "> two"
    typist.type(UP)
    assert typist.line() == "> one"
    typist.type(UP, DOWN, DOWN)
    assert typist.line() == "> thr"
    typist.type(DOWN)
    assert typist.line() == "> thr"


def test_history_is_bounded_and_has_no_secrets():
    typist = Typist()
    for number in range(editors.HISTORY_MAX + 20):
        typist.type(*letters("line %d\r" % number))
    typist.type(*letters("key 0123\r"))
    for _ in range(editors.HISTORY_MAX + 5):
        typist.type(UP)
    assert typist.line() == "> line 20"
    typist.type(*[DOWN] * editors.HISTORY_MAX)
    assert typist.line() == ">"


def test_a_secret_is_stars_while_it_is_typed():
    typist = Typist()
    typist.type(*letters("key 0123\r"))
    assert typist.events == [Line("key 0123")]
    assert typist.vt.shown() == ["> key ****", ">"]


def test_interrupt_drops_the_line_and_control_d_ends():
    typist = Typist()
    typist.type(*letters("show"), b"\x03", b"\x04")
    assert typist.events == [Interrupt(), End()]
    assert typist.vt.shown() == ["> show^C", ">"]
    typist.type(*letters("ab"), HOME, b"\x04")
    assert typist.line() == "> b"


def test_completion_and_help():
    typist = Typist()
    typist.type(*letters("sh"), b"\t")
    assert typist.line() == "> show"
    typist.type(b"?")
    assert typist.vt.shown() == ["> show", "help for 'show '", "> show"]
    typist.type(b"\x15", b"\t")
    assert typist.vt.shown()[-3:] == ["one", "two", ">"]
    typist.type(*letters("x"), b"\t")
    assert typist.vt.bells == 1
    typist.type(*letters(" '?'"))
    assert typist.line() == "> x '?'"


def test_a_paste_is_text_not_keys():
    typist = Typist()
    typist.type(PASTE)
    typist.type(*letters("a\tb?\rc?\r"))
    typist.type(PASTED)
    assert typist.events == [Line("a b?"), Line("c?")]
    typist.type(b"?")
    assert typist.vt.shown()[-2] == "help for ''"


def test_a_paste_without_brackets_is_not_echoed_line_by_line():
    typist = Typist()
    lines = ["set uplink wan%d preference ?%d" % (number, number) for number in range(500)]
    before = typist.vt.octets
    typist.paste("\r".join(lines).encode() + b"\rsho")
    assert [event.text for event in typist.events] == lines
    assert typist.line() == "> sho"
    assert typist.vt.octets - before < 20


def test_the_end_of_a_paste_may_be_lost():
    typist = Typist()
    typist.type(PASTE, b"a")
    typist.editor.idle()
    typist.type(b"?")
    assert typist.vt.shown()[1] == "help for 'a'"


def test_a_long_line_has_a_window():
    typist = Typist(40)
    text = "".join([chr(97 + number % 26) for number in range(200)])
    octets = typist.type(*letters(text))
    assert octets < 3 * len(text)  # it moves by half the width, seldom
    assert typist.line().endswith(text[-10:]) and typist.line().startswith("> <")
    typist.type(HOME)
    assert typist.line() == "> " + text[:37]
    typist.type(b"\r")
    assert typist.events == [Line(text)]


def test_a_line_too_long_is_refused_as_a_whole():
    typist = Typist()
    typist.paste(b"x" * (editors.LINE_SIZE_MAX + 5) + b"\rshow\r")
    assert typist.events == [Line(None), Line("show")]
    assert typist.vt.bells == 1


def test_utf_8_is_characters():
    typist = Typist()
    typist.type(*letters("naïve 你"), b"\x7f", b"\x7f", LEFT, b"\x7f", b"\r")
    assert typist.events == [Line("naïe")]


def test_redraw_repairs_a_screen_that_noise_spoilt():
    typist = Typist()
    typist.type(*letters("show"))
    typist.vt.feed(b"\r%%%%%%%%%%%%%")
    typist.type(b"\x0c")
    assert typist.line() == "> show"


def test_sequences_without_an_end_are_forgotten():
    keys = Keys()
    for octet in b"\x1b[20":
        assert keys.feed(octet) is None
    keys.idle()
    assert keys.feed(ord("x")) == "x"
    assert [keys.feed(octet) for octet in b"\x1b[1\x0d"] == [None, None, None, "enter"]
    assert [keys.feed(octet) for octet in b"\xe4\xbdx"] == [None, None, "x"]
    assert [keys.feed(octet) for octet in b"\x1b[1;2;3;4;5;6;7;8;9;10Ax"][-1] == "x"
    assert [keys.feed(octet) for octet in b"\xc2\x9b"] == [None, None]  # CSI of eight bits, to some terminals


def test_noise_makes_no_harm_and_the_screen_stays_true():
    seed = random.getrandbits(32)
    random.seed(seed)
    typist = Typist(40)
    try:
        for _ in range(800):
            octet = random.getrandbits(8)
            if octet == 0x0A:
                octet = 0x0D
            typist.type(bytes((octet,)))
            if typist.editor.screen.is_shown:
                assert len(typist.line()) < 40
        typist.editor.idle()
        typist.events = []
        typist.type(b"\x03", *letters("show"))
        assert typist.line() == "> show"
        typist.type(b"\r")
        assert typist.events == [Interrupt(), Line("show")]
    except Exception:
        print("seed %d" % seed)
        raise


def test_what_is_believed_is_what_is_shown():
    """Any keys in any order: the line that the terminal has is the editor's."""
    seed = random.getrandbits(32)
    random.seed(seed)
    keys = [bytes((octet,)) for octet in b"ab a\x7f\x17\x0b\x19"] + [
        DELETE,
        LEFT,
        LEFT,
        RIGHT,
        HOME,
        END_OF_LINE,
    ]
    for width in (24, 80):
        typist = Typist(width)
        wanted, cursor, killed = "", 0, ""
        for _ in range(500):
            key = keys[random.getrandbits(16) % len(keys)]
            before = typist.vt.octets
            typist.type(key)
            if len(key) == 1 and key >= b" " and key != b"\x7f":
                wanted, cursor = wanted[:cursor] + key.decode() + wanted[cursor:], cursor + 1
            elif key == b"\x7f" and cursor:
                wanted, cursor = wanted[: cursor - 1] + wanted[cursor:], cursor - 1
            elif key == DELETE:
                wanted = wanted[:cursor] + wanted[cursor + 1 :]
            elif key == LEFT:
                cursor = max(cursor - 1, 0)
            elif key == RIGHT:
                cursor = min(cursor + 1, len(wanted))
            elif key == HOME:
                cursor = 0
            elif key == END_OF_LINE:
                cursor = len(wanted)
            elif key == b"\x0b":
                killed = wanted[cursor:] or killed
                wanted = wanted[:cursor]
            elif key == b"\x19" and len(wanted) + len(killed) <= editors.LINE_SIZE_MAX:
                wanted, cursor = wanted[:cursor] + killed + wanted[cursor:], cursor + len(killed)
            elif key == b"\x17":
                begin = cursor
                while begin and wanted[begin - 1] == " ":
                    begin -= 1
                while begin and wanted[begin - 1] != " ":
                    begin -= 1
                killed = wanted[begin:cursor] or killed
                wanted, cursor = wanted[:begin] + wanted[cursor:], begin
            if len(wanted) <= width - 3:
                assert typist.line() == ("> " + wanted).rstrip(), seed
                assert typist.vt.at == 2 + cursor, seed
            assert typist.vt.octets - before <= 2 * width, seed
            if len(wanted) > 60:
                typist.type(b"\x03")
                wanted, cursor = "", 0


if __name__ == "__main__":
    from runner import main

    main(globals())
