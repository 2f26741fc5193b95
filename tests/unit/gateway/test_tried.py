"""Who has failed a request, and who may have it again."""

import pytest

from remuda.core.faults import LoopDetected
from remuda.fleet.model import Model
from remuda.gateway.tried import Tried, passed
from remuda.wire.via import via_of
from tests.unit.fleet.samples import replica


def test_who_failed_is_told_in_order_and_as_often_as_it_did():
    one, two, other = replica("one"), replica("two"), replica("other")
    tried = Tried(Tried((one,), two), one)
    assert list(tried) == [one, two, one]
    assert len(tried) == 3
    assert (tried.count(one), tried.count(two), tried.count(other)) == (2, 1, 0)
    assert (one in tried, other in tried, "one/m" in tried) == (True, False, False)
    assert not Tried()


def test_who_has_recovered_since_may_have_it_once_more():
    one, two = replica("one"), replica("two")
    one.slots.recoveries = 3
    tried = Tried(Tried((), one), two)
    assert (tried.bars(one), tried.bars(two), tried.bars(replica("other"))) == (True, True, False)
    one.slots.recoveries += 1
    assert (tried.bars(one), tried.bars(two)) == (False, True)
    assert tried.barred() == [two]
    assert one in tried, "it has failed all the same"
    tried = Tried(tried, one)
    one.slots.recoveries += 1
    assert tried.bars(one), "it may be this very request that brings it down"
    assert tried.barred() == [one, two, one]
    assert tried.returns == 1


def test_who_was_asked_again_without_having_recovered_did_not_return():
    one, two = replica("one"), replica("two")
    tried = Tried((), one, one, two)
    assert tried.returns == 0
    one.slots.recoveries += 1
    assert Tried(tried, two).returns == 0
    assert Tried(tried, one).returns == Tried(Tried(tried, one), one).returns == 1, "once for each"


def test_what_is_noted_later_does_not_change_what_was_noted_before():
    one, two = replica("one"), replica("two")
    first = Tried((), one)
    one.slots.recoveries += 1
    second = Tried(first, two)
    assert (list(first), first.bars(two)) == ([one], False)
    assert not second.bars(one), "it has recovered between the two failures"


def test_those_whom_the_same_servers_have_failed_at_the_same_time_are_alike():
    one, two = replica("one"), replica("two")
    first = Tried((), one)
    assert (first, hash(first)) == (Tried((one,)), hash(Tried((one,))))
    assert first not in (Tried((), two), Tried(first, one), (one,))
    one.slots.recoveries += 1
    assert first != Tried((), one), "one of them may have it again"


def test_who_has_passed_the_request_on_is_not_asked_at_all():
    other, theirs = replica("other", path=("remuda-1",)), replica("theirs", path=("remuda-2", "remuda-1"))
    plain, unknown = replica("plain"), replica("unknown", path=("",))
    tried = Tried(via=frozenset({"remuda-1"}))
    assert (other in tried, theirs in tried, plain in tried, unknown in tried) == (True, False, False, False)
    assert (tried.bars(other), tried.bars(theirs), tried.bars(plain)) == (True, False, False)
    assert bool(tried), "it does not want just any server"
    assert len(tried) == 0
    after = Tried(tried, plain)
    assert (other in after, plain in after, after.bars(other)) == (True, True, True)
    assert other in after.only(()), "also where those that have failed are asked once more"
    assert plain not in after.only(())
    assert (tried == Tried(), tried == Tried(via=frozenset({"remuda-1"}))) == (False, True)
    assert after.only(after.barred()) == after


def test_other_proxies_are_nobodys_upstream():
    via = via_of([(b"via", b"1.1 Caddy, 1.1 edge (Varnish/7.0)")])
    assert via is not None
    assert passed(via, Model("m", replicas=(replica("theirs", path=("remuda-1",)),))) == ()


def test_a_request_that_only_those_could_answer_who_passed_it_on_is_refused():
    via = via_of([(b"via", b"1.1 remuda-1")])
    assert via is not None
    theirs, plain = replica("theirs", path=("remuda-1",)), replica("plain")
    assert theirs in passed(via, Model("m", replicas=(theirs, plain)))
    assert not len(passed(via, Model("m"))), "nobody has it yet: it is waited for"
    with pytest.raises(LoopDetected, match="'m'"):
        passed(via, Model("m", replicas=(theirs,)))
