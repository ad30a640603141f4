"""What differs between two lists of lines: [(mark, line number there, line)], mark one of "-", "+", " ".

The longest common subsequence, after what is the same at both ends; where too many lines differ for that
(COMPARED_MAX pairs), all of the old ones go and all of the new ones come: right as well, only longer.
"""

COMPARED_MAX = 250000


def difference(old, new):
    begin = 0
    while begin < len(old) and begin < len(new) and old[begin] == new[begin]:
        begin += 1
    end = 0
    while end < min(len(old), len(new)) - begin and old[-1 - end] == new[-1 - end]:
        end += 1
    old_end, new_end = len(old) - end, len(new) - end
    rows = [(" ", number, old[number]) for number in range(begin)]
    rows += _middle(old, new, begin, old_end, new_end)
    rows += [(" ", number, old[number]) for number in range(old_end, len(old))]
    return rows


def _middle(old, new, begin, old_end, new_end):
    height, width = old_end - begin, new_end - begin
    if height * width > COMPARED_MAX:
        gone = [("-", number, old[number]) for number in range(begin, old_end)]
        return gone + [("+", number, new[number]) for number in range(begin, new_end)]
    # lengths[i][j]: of the longest common subsequence of what follows i and j
    lengths = [[0] * (width + 1)]
    for i in range(height - 1, -1, -1):
        below, row = lengths[-1], [0] * (width + 1)
        for j in range(width - 1, -1, -1):
            if old[begin + i] == new[begin + j]:
                row[j] = below[j + 1] + 1
            else:
                row[j] = max(below[j], row[j + 1])
        lengths.append(row)
    lengths.reverse()
    rows = []
    i = j = 0
    while i < height or j < width:
        if i < height and j < width and old[begin + i] == new[begin + j]:
            rows.append((" ", begin + i, old[begin + i]))
            i, j = i + 1, j + 1
        elif j == width or (i < height and lengths[i + 1][j] >= lengths[i][j + 1]):
            rows.append(("-", begin + i, old[begin + i]))
            i += 1
        else:
            rows.append(("+", begin + j, new[begin + j]))
            j += 1
    return rows


def around(rows, context=2):
    """The rows that differ with some that do not beside them; None where others were left out."""
    wanted = [False] * len(rows)
    for index, row in enumerate(rows):
        if row[0] != " ":
            for near in range(max(index - context, 0), min(index + context + 1, len(rows))):
                wanted[near] = True
    shown = []
    for index, row in enumerate(rows):
        if wanted[index]:
            if shown and not wanted[index - 1]:
                shown.append(None)
            shown.append(row)
    return shown
