"""JSON that was cut off is none, on every interpreter."""

from careof import json_text

WHOLE = ('{"a": [1, {"b": "}]\\\\\\"{["}]}', "[]", "7", '"[{"', "null", b'{"a": 1}')


def test_what_is_whole_is_read():
    assert json_text.loads(WHOLE[0]) == {"a": [1, {"b": '}]\\"{['}]}
    for text in WHOLE:
        assert json_text.closed(text)
    assert [json_text.loads(text) for text in WHOLE[1:]] == [[], 7, "[{", None, {"a": 1}]


def test_what_was_cut_anywhere_is_refused():
    text = WHOLE[0]
    for size in range(len(text)):
        try:
            value = json_text.loads(text[:size])
        except ValueError:
            continue
        raise AssertionError((text[:size], value))


def test_the_count_alone_sees_what_is_open():
    """On an interpreter that refuses such texts by itself too."""
    text = WHOLE[0]
    assert not any(json_text.closed(text[:size]) for size in range(1, len(text)))


if __name__ == "__main__":
    from runner import main

    main(globals())
