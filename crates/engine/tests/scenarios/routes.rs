//! Stories of numbers whose events go two ways: what stops calls to CM.com stops none to Meta, and the other way round.

use crate::script::check;

#[test]
fn a_dead_token_at_cm_stops_what_is_relayed_and_nothing_of_metas() {
    check(
        "
        with relayed=Block
        accept 1 Block a from=A
        > load 1 [1]
        accept 2 Block b from=B
        > load 2 [2]
        loaded 1
        > send 1 [1]
        answer 1 unauthorized@credential
        > alarm Unauthorized A Blocks Credential at CM.com
        > settle 1 call 1: 1 retrying
        loaded 2
        > send 2 [2]
        answer 2 unauthorized@credential
        > settle 2 call 2: 2 retrying
        settled 1
        settled 2
        live 2
        > waits for credential until +300s
        accept 3 MarkAsRead a from=A
        > load 3 [3]
        accept 4 UnBlock c from=A, 5 Purchase a from=A
        > load 4 [4]
        > load 5 [5]
        loaded 3
        > send 3 [3]
        answer 3 confirmed
        > settle 3 call 3: 3 confirmed
        live 1
        > waits for credential until +300s
        +300s
        > load 6 [1]
        loaded 6
        > send 6 [1]
        answer 6 relayed
        > alarm Recovered A Blocks Credential at CM.com
        > settle 4 call 6: 1 relayed
        > load 7 [2]
        ",
    );
}

#[test]
fn a_dead_token_at_meta_stops_nothing_that_is_relayed() {
    check(
        "
        with relayed=Block
        accept 1 UnBlock a
        > load 1 [1]
        loaded 1
        > send 1 [1]
        answer 1 unauthorized@credential
        > alarm Unauthorized A Blocks Credential
        > settle 1 call 1: 1 retrying
        settled 1
        accept 2 Block b
        > load 2 [2]
        loaded 2
        > send 2 [2]
        answer 2 relayed
        > settle 2 call 2: 2 relayed
        live 1
        > waits for credential until +300s
        ",
    );
}

#[test]
fn what_reaches_further_than_a_number_at_cm_is_its_token() {
    check(
        "
        with relayed=Block+MarkAsRead
        accept 1 Block a from=A
        > load 1 [1]
        loaded 1
        > send 1 [1]
        answer 1 unauthorized@app
        > alarm Unauthorized A Blocks Credential at CM.com
        > settle 1 call 1: 1 retrying
        settled 1
        accept 2 MarkAsRead b from=B, 3 Purchase c from=B
        > load 2 [3]
        live 2
        > waits for credential until +300s
        ",
    );
}

#[test]
fn a_throttle_acts_on_its_own_route() {
    check(
        "
        with relayed=Block
        accept 1 Block a
        > load 1 [1]
        loaded 1
        > send 1 [1]
        answer 1 throttled@number=30s
        > settle 1 call 1: 1 retrying
        settled 1
        accept 2 UnBlock b, 3 Block c
        > load 2 [2]
        live 3
        > waits for throttle until +30s
        loaded 2
        > send 2 [2]
        answer 2 throttled@number=60s
        > settle 2 call 2: 2 retrying
        settled 2
        +30s
        > load 3 [1]
        > load 4 [3]
        live 2
        > waits for throttle until +30s
        ",
    );
}

#[test]
fn an_outage_of_cm_leaves_the_calls_to_meta_their_number_and_their_pace() {
    check(
        "
        with relayed=Block
        with window=1
        accept 1 Block a
        > load 1 [1]
        accept 2 MarkAsRead b
        > load 2 [2]
        loaded 1
        > send 1 [1]
        answer 1 unknown
        > settle 1 call 1: 1 retrying
        settled 1
        accept 3 Block c
        > load 3 [3]
        loaded 3
        > send 3 [3]
        answer 3 unknown
        > settle 2 call 3: 3 retrying
        settled 2
        accept 4 Block d
        > load 4 [4]
        loaded 4
        > send 4 [4]
        answer 4 unknown
        > settle 3 call 4: 4 retrying
        settled 3
        accept 5 Block e
        > load 5 [5]
        loaded 5
        > send 5 [5]
        answer 5 unknown
        > settle 4 call 5: 5 retrying
        settled 4
        accept 6 Block f
        loaded 2
        > send 2 [2]
        answer 2 confirmed
        > settle 5 call 2: 2 confirmed
        accept 7 MarkAsRead g, 8 MarkAsRead h
        > load 6 [7]
        > load 7 [8]
        ",
    );
}

#[test]
fn conversions_that_go_two_ways_do_not_wait_for_each_other() {
    check(
        "
        with relayed=Purchase
        accept 1 Purchase a
        > load 1 [1]
        loaded 1
        > begin 1 [1]
        begun 1
        > send 1 [1]
        answer 1 throttled@number_family=60s
        > settle 1 call 1: 1 retrying
        settled 1
        accept 2 Purchase b, 3 ViewContent c, 4 Purchase d
        > load 2 [3]
        live 2
        > waits for throttle until +60s
        ",
    );
}

#[test]
fn what_waits_for_one_way_goes_the_other_when_the_configuration_says_so() {
    check(
        "
        with relayed=Purchase
        accept 1 Purchase a
        > load 1 [1]
        loaded 1
        > begin 1 [1]
        begun 1
        > send 1 [1]
        answer 1 unauthorized@credential
        > alarm Unauthorized A Conversions Credential at CM.com
        > settle 1 call 1: 1 retrying
        settled 1
        accept 2 Purchase b, 3 Block c
        > load 2 [3]
        configure relaying Block
        > load 3 [2, 1]
        ",
    );
}

#[test]
fn a_call_whose_bodies_are_fetched_while_the_route_changes_is_opened_anew() {
    check(
        "
        accept 1 Block a, 2 Block b, 3 Purchase c
        > load 1 [1, 2]
        > load 2 [3]
        configure relaying Block
        loaded 1 without 2
        > load 3 [1]
        loaded 3
        > send 3 [1]
        answer 3 unauthorized@credential
        > alarm Unauthorized A Blocks Credential at CM.com
        > settle 1 call 3: 1 retrying
        loaded 2
        > load 4 [3]
        configure relaying Block
        loaded 4
        > begin 4 [3]
        configure relaying Purchase
        begun 4
        > send 4 [3]
        answer 4 unauthorized@credential
        > alarm Unauthorized A Conversions Credential
        > settle 2 call 4: 3 retrying
        ",
    );
}

#[test]
fn parts_of_a_refused_group_fall_apart_when_their_members_go_different_ways() {
    check(
        "
        with rate=2
        accept 1 Purchase a, 2 ViewContent b, 3 Purchase c, 4 ViewContent d
        > load 1 [1, 2, 3, 4]
        loaded 1
        > begin 1 [1, 2, 3, 4]
        begun 1
        > send 1 [1, 2, 3, 4]
        answer 1 all refused_together
        > settle 1 call 1: 1 retrying (Halved), 2 retrying (Halved), 3 retrying (Halved), 4 retrying (Halved)
        settled 1
        > load 2 [1, 2]
        loaded 2
        > begin 2 [1, 2]
        configure relaying Purchase
        begun 2
        > send 2 [1, 2]
        answer 2 all refused_together
        > settle 2 call 2: 1 retrying (Halved), 2 retrying (Halved)
        settled 2
        +1020ms
        > load 3 [3]
        > load 4 [4]
        ",
    );
}
