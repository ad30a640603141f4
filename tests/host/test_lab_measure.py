"""What the lab reads from fping's lines, on lines written by hand."""

from lab.measure import INTERVAL_MS, Answers, per_slot


def line(at, number, round_trip_ms=20.0):
    return f"[{at:.5f}] 10.78.0.2 : [{number}], 64 bytes, {round_trip_ms} ms (20.0 avg, 0% loss)"


def answers(*rows):
    heard = Answers()
    for row in rows:
        heard.line(line(*row))
    return heard


def steady(first, last, begin=1000.0, round_trip_ms=20.0):
    return [(begin + n * INTERVAL_MS / 1000, n, round_trip_ms) for n in range(first, last)]


def test_nothing_happens():
    measured = answers(*steady(0, 200)).around(1000.5, 1001.5)
    assert measured == (0, 10, 0, 0)


def test_lost_packets_are_missing_numbers_sent_in_the_window():
    heard = answers(*steady(0, 100), *steady(150, 300))
    assert heard.around(1000.5, 1002.5) == (500, 510, 50, 0)
    assert heard.around(1001.8, 1002.5).lost == 0


def test_what_has_no_answer_yet_is_not_lost():
    heard = answers(*steady(0, 100))
    assert heard.around(1000.5, 1001.5).lost == 0
    assert heard.around(1000.5, 1001.5).interruption_ms == 500


def test_a_held_packet_interrupts_and_is_not_lost():
    held = [(1001.06, n, 20.0 + 10 * (106 - n)) for n in range(100, 106)]
    measured = answers(*steady(0, 100), *held, *steady(107, 300)).around(1000.5, 1002.0)
    assert measured.interruption_ms == 60
    assert measured.lost == 1


def test_a_longer_way_is_no_interruption():
    far = [(at + 0.03, n, 50.0) for at, n, _ in steady(100, 300)]
    measured = answers(*steady(0, 100), *far).around(1000.9, 1002.5)
    assert (measured.interruption_ms, measured.gap_ms) == (0, 40)
    nearer = answers(*far, *steady(300, 400)).around(1003.0, 1003.9)
    assert nearer.interruption_ms == 0


def test_a_second_answer_is_a_duplicate_where_it_comes():
    heard = answers(*steady(0, 100), (1001.0, 98), *steady(101, 300))
    assert heard.around(1000.5, 1002.0).duplicated == 1
    assert heard.around(1001.5, 1002.0).duplicated == 0


def test_another_fping_begins_at_0_and_duplicates_nothing():
    heard = answers(*steady(0, 100))
    heard.next_series()
    for row in steady(0, 100, 1002.0):
        heard.line(line(*row))
    assert heard.around(1000.5, 1003.0).duplicated == 0


def test_other_lines_are_no_answers():
    heard = Answers()
    assert heard.line("[1001.00000] 10.78.0.2 : [28], timed out (24.0 avg, 0% loss)") is None
    assert heard.line("ICMP Host Unreachable from 10.77.1.1 for ICMP Echo sent to 10.78.0.2") is None
    assert heard.last_at() == 0


def test_octets_fall_into_their_slots():
    samples = [(9.9, 1), (10.0, 2), (10.19, 4), (10.2, 8), (11.5, 16)]
    assert [value for _, value in per_slot(samples, 10.0, 10.4, 0.2)] == [6, 8, 0]
