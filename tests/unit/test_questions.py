"""Questions to a key provider: who is let wait, and that counting them never holds the loop."""

from careof.agent.events import Authenticated, Count, Verified, Verify
from careof.agent.questions import Questions
from careof.limits import QUESTION_FORGOTTEN_MS, QUESTION_SLOW_MS

BEHIND = [Count("questions_behind")]


class Looked(dict):
    """Counts how often something is looked for."""

    times = 0

    def __contains__(self, token):
        self.times += 1
        return self.get(token) is not None


def ask(questions, now_ms, proven=False):
    return questions.verify("key", b"data", b"authenticator", lambda answer, now_ms: [answer], now_ms, proven)


def answer(questions, actions, now_ms):
    (question,) = actions
    return questions.verified(Verified(question.token, True), now_ms)


def test_an_answer_comes_to_who_asked_and_only_once():
    questions = Questions()
    (question,) = ask(questions, 0)
    assert isinstance(question, Verify) and len(questions) == 1
    assert questions.verified(Verified(question.token, True), 5) == [True]
    assert questions.verified(Verified(question.token, True), 6) == [] and len(questions) == 0


def test_who_proved_nothing_waits_for_a_slow_key_provider():
    questions = Questions()
    first = ask(questions, 0)
    assert ask(questions, QUESTION_SLOW_MS) != BEHIND
    assert ask(questions, QUESTION_SLOW_MS + 1) == BEHIND
    assert ask(questions, QUESTION_SLOW_MS + 1, proven=True) != BEHIND
    answer(questions, first, QUESTION_SLOW_MS + 2)
    assert ask(questions, QUESTION_SLOW_MS + 2) != BEHIND  # the next one came half a second later


def test_many_answers_cost_the_next_question_nothing():
    """Whoever is proven asks without a look at the queue: the first other one must not look at all of it."""
    questions = Questions()
    for now_ms in range(5000):
        answer(questions, ask(questions, now_ms, proven=True), now_ms)
    questions._open = Looked()
    assert ask(questions, 5000) != BEHIND
    assert questions._open.times <= 2


def test_a_lost_question_costs_the_next_ones_nothing():
    questions = Questions()
    ask(questions, 0, proven=True)  # never answered
    for now_ms in range(5000):
        answer(questions, ask(questions, now_ms, proven=True), now_ms)
    questions._open = looked = Looked(questions._open)
    for _ in range(3):
        assert ask(questions, 5000 + QUESTION_FORGOTTEN_MS) != BEHIND
    assert looked.times <= 6 and len(questions) == 3


def test_a_signature_without_its_key_is_not_waited_for():
    questions = Questions()
    (question,) = questions.sign("none", b"data", lambda answer, now_ms: [b"data" + answer], 0)
    assert questions.authenticated(Authenticated(question.token, None), 1) == [] and len(questions) == 0
    assert ask(questions, QUESTION_SLOW_MS + 1) != BEHIND


if __name__ == "__main__":
    from runner import main

    main(globals())
