"""The home agent's table (RFC 5944 3.8.2.2): what requests do to bindings, and when those end."""

from careof.limits import LIFETIME_INFINITE_S, SIMULTANEOUS_MAX
from careof.proto.bindings import NO_ROOM, TOO_MANY, Binding, Bindings, Wish
from careof.wire.tunneld import KIND_IPIP, KIND_MIP_UDP

HOME = bytes((10, 77, 0, 2))


class Node:
    def __init__(self, number=2):
        self.home_address = bytes((10, 77, 0, number))
        self.bindings = []

    def care_ofs(self):
        return [binding.care_of[3] for binding in self.bindings]


def wish(care_of, lifetime_s=600, simultaneous=False, spi=256, peer=None, port=0, kind=KIND_IPIP):
    address = care_of if isinstance(care_of, bytes) else bytes((203, 0, 113, care_of))
    return Wish(address, spi, lifetime_s, simultaneous, kind, peer or address, port, True)


def test_a_request_without_s_leaves_one_binding():
    table, node = Bindings(10, 1800), Node()
    assert table.register(node, wish(1), 0)[:3] == (0, 600, True)
    assert table.register(node, wish(1), 10)[:3] == (0, 600, False)
    assert table.register(node, wish(2), 20)[:3] == (0, 600, True)
    assert table.register(node, wish(2), 20).binding is node.bindings[0]
    assert node.care_ofs() == [2] and table.count == 1


def test_a_request_with_s_adds_one_until_there_are_too_many():
    table, node = Bindings(10, 1800), Node()
    for number in range(1, SIMULTANEOUS_MAX + 1):
        assert table.register(node, wish(number, simultaneous=True), 0).code == 0
    assert table.register(node, wish(99, simultaneous=True), 0)[:3] == (TOO_MANY, 0, False)
    assert table.register(node, wish(1, simultaneous=True), 0)[:3] == (0, 600, False)
    assert table.count == SIMULTANEOUS_MAX
    assert table.register(node, wish(2), 0).changed
    assert node.care_ofs() == [2] and table.count == 1


def test_the_table_has_a_bound_that_a_moving_node_does_not_hit():
    table, first, second = Bindings(1, 1800), Node(2), Node(3)
    table.register(first, wish(1), 0)
    assert table.register(second, wish(2), 0)[:3] == (NO_ROOM, 0, False)
    assert table.register(first, wish(3), 0).code == 0
    assert table.register(first, wish(4, simultaneous=True), 0).code == NO_ROOM


def test_lifetime_zero_ends_one_or_all():
    table, node = Bindings(10, 1800), Node()
    for number in (1, 2, 3):
        table.register(node, wish(number, simultaneous=True), 0)
    assert table.register(node, wish(2, lifetime_s=0), 0)[:3] == (0, 0, True)
    assert node.care_ofs() == [1, 3]
    assert table.register(node, wish(7, lifetime_s=0), 0)[:3] == (0, 0, False)
    assert table.register(node, wish(HOME, lifetime_s=0), 0)[:3] == (0, 0, True)
    assert node.bindings == [] and table.count == 0


def test_the_same_private_address_behind_two_nats_is_two_bindings():
    table, node = Bindings(10, 1800), Node()
    one = wish(1, simultaneous=True, spi=256, peer=bytes((192, 0, 2, 1)), port=4001, kind=KIND_MIP_UDP)
    other = wish(1, simultaneous=True, spi=257, peer=bytes((192, 0, 2, 2)), port=4002, kind=KIND_MIP_UDP)
    table.register(node, one, 0)
    table.register(node, other, 0)
    assert len(node.bindings) == 2
    moved = wish(1, simultaneous=True, spi=257, peer=bytes((192, 0, 2, 2)), port=4003, kind=KIND_MIP_UDP)
    assert table.register(node, moved, 0)[:3] == (0, 600, True)
    assert sorted([binding.port for binding in node.bindings]) == [4001, 4003]


def test_bindings_end_when_their_time_is_over_and_not_before():
    table, node = Bindings(10, 1800), Node()
    table.register(node, wish(1, lifetime_s=10, simultaneous=True), 0)
    table.register(node, wish(2, lifetime_s=20, simultaneous=True), 0)
    assert table.deadline() == 10000
    assert table.expire(9999) == []
    assert table.expire(10000) == [node] and node.care_ofs() == [2]
    assert table.expire(20000) == [node] and table.count == 0
    assert table.expire(10**9) == [] and table.deadline() is None


def test_a_renewal_puts_the_end_off_and_a_shorter_one_brings_it_forward():
    table, node = Bindings(10, 1800), Node()
    table.register(node, wish(1, lifetime_s=10), 0)
    table.register(node, wish(1, lifetime_s=100), 5000)
    assert table.expire(10000) == []
    table.register(node, wish(1, lifetime_s=2), 10000)
    assert table.deadline() == 12000
    assert table.expire(12000) == [node]


def test_a_lifetime_is_bounded_and_infinity_never_ends():
    table, node = Bindings(10, 1800), Node()
    assert table.register(node, wish(1, lifetime_s=LIFETIME_INFINITE_S), 0).lifetime_s == 1800
    for_ever = Bindings(10, LIFETIME_INFINITE_S)
    other = Node(3)
    assert for_ever.register(other, wish(1, lifetime_s=LIFETIME_INFINITE_S), 0).lifetime_s == 0xFFFF
    assert other.bindings[0].never_expires() and other.bindings[0].left_s(10**9) == 0xFFFF
    assert for_ever.deadline() is None


def test_many_renewals_leave_no_heap_behind():
    table, node = Bindings(10, 1800), Node()
    for now_ms in range(0, 10000000, 1000):
        table.register(node, wish(1, lifetime_s=1 + now_ms // 1000 % 7), now_ms)
    assert len(table._heap) <= 2 * table.count + 65


def test_bindings_of_an_association_that_is_gone_are_dropped():
    table, node = Bindings(10, 1800), Node()
    table.register(node, wish(1, simultaneous=True, spi=256), 0)
    table.register(node, wish(2, simultaneous=True, spi=257), 0)
    assert table.drop_others(node, {257: None}) and node.care_ofs() == [2]
    assert not table.drop_others(node, {257: None}) and table.count == 1


def test_a_binding_of_before_a_restart_is_adopted():
    table, node = Bindings(10, 1800), Node()
    table.adopt(node, Binding(wish(1)), 5000, 100)
    assert table.count == 1 and table.expire(5099) == [] and table.expire(5100) == [node]


if __name__ == "__main__":
    from runner import main

    main(globals())
