"""When a path is probed, when it is dead, and what that costs. A patience of 100 ms unless it says so."""

from careof.limits import PATIENCE_FIRST_MS, PATIENCE_MAX_MS, PATIENCE_MIN_MS, PROBE_IDLE_MS, PROBES
from careof.proto.liveness import (
    DEAD,
    PROBING,
    QUIET,
    TRANSITIONS,
    Answered,
    AskNow,
    Late,
    Liveness,
    PathAlive,
    PathDead,
    ProbeAnswered,
    RoundTrip,
    SendProbe,
    Unanswered,
)
from values import kinds


def round_trip(*measured_ms):
    result = RoundTrip()
    for one_ms in measured_ms:
        result.measured(one_ms)
    return result


def path(now_ms=0):
    return Liveness(round_trip(*[20] * 30), now_ms)


def died(liveness, now_ms):
    """Let it become dead without an answer; when it did."""
    liveness.handle(Unanswered(), now_ms)
    while liveness.state != DEAD:
        now_ms = liveness.deadline()
        liveness.handle(Late(), now_ms)
    return now_ms


def test_a_silent_path_is_probed_then_dead_then_alive_again():
    liveness, now_ms = path(), 1000
    assert kinds(liveness.handle(Unanswered(), now_ms)) == [SendProbe]
    for _ in range(PROBES - 1):
        now_ms = liveness.deadline()
        assert kinds(liveness.handle(Late(), now_ms)) == [SendProbe]
        assert liveness.doubtful()
    now_ms = liveness.deadline()
    assert kinds(liveness.handle(Late(), now_ms)) == [PathDead]
    assert now_ms == 1000 + PROBES * PATIENCE_MIN_MS
    assert kinds(liveness.handle(Answered(), now_ms + 5)) == [PathAlive]
    assert liveness.state == QUIET and not liveness.doubtful()


def test_an_answered_probe_ends_it_and_is_measured():
    liveness = path()
    liveness.handle(Unanswered(), 0)
    assert not liveness.doubtful()
    assert kinds(liveness.handle(ProbeAnswered(420), 50)) == [PathAlive]
    assert liveness.round_trip.smoothed_ms > 60
    assert liveness.state == QUIET


def test_a_path_without_traffic_is_asked_from_time_to_time():
    liveness = path(now_ms=7)
    assert liveness.deadline() == 7 + PROBE_IDLE_MS
    assert liveness.handle(Late(), 8) == []
    assert kinds(liveness.handle(Late(), liveness.deadline())) == [SendProbe]


def test_asking_twice_sends_one_probe():
    liveness = path()
    assert kinds(liveness.handle(AskNow(), 0)) == [SendProbe]
    assert liveness.handle(AskNow(), 1) == [] == liveness.handle(Unanswered(), 2)


def test_a_dead_path_is_still_asked_but_slowly():
    liveness = path()
    now_ms = died(liveness, 0)
    probes = 0
    while now_ms < 60000:
        now_ms = liveness.deadline()
        probes += len(liveness.handle(Late(), now_ms))
    assert 3 <= probes <= 6
    assert kinds(liveness.handle(AskNow(), now_ms)) == [SendProbe]
    assert liveness.state == PROBING


def test_patience_is_the_round_trip_and_four_deviations_between_limits():
    assert round_trip().patience_ms() == PATIENCE_FIRST_MS
    assert round_trip(200).patience_ms() == 200 + 4 * 100
    assert round_trip(*[1] * 50).patience_ms() == PATIENCE_MIN_MS
    assert round_trip(9000).patience_ms() == PATIENCE_MAX_MS
    steady = round_trip(*[500] * 40)
    assert 500 <= steady.patience_ms() <= 510
    assert round_trip(*([500] * 40 + [700])).patience_ms() > 600


def test_late_before_its_time_does_nothing_in_any_state():
    for prepare in ([], [Unanswered()], "dead"):
        liveness = path()
        if prepare == "dead":
            died(liveness, 0)
        else:
            for event in prepare:
                liveness.handle(event, 0)
        state, deadline_ms = liveness.state, liveness.deadline()
        assert liveness.handle(Late(), deadline_ms - 1) == []
        assert (liveness.state, liveness.deadline()) == (state, deadline_ms)


def test_every_state_survives_every_event():
    """Only the listed transitions change a state."""
    for state in (QUIET, PROBING, DEAD):
        for event in (Unanswered(), Answered(), ProbeAnswered(5), AskNow(), Late()):
            liveness = path()
            if state == PROBING:
                liveness.handle(Unanswered(), 0)
            elif state == DEAD:
                died(liveness, 0)
            assert liveness.state == state
            liveness.handle(event, 1)
            if (state, type(event)) not in TRANSITIONS:
                assert liveness.state == state
            assert liveness.deadline() is not None


if __name__ == "__main__":
    from runner import main

    main(globals())
