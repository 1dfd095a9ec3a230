//! Stories of events that share calls.

use crate::script::check;

#[test]
fn what_queues_up_during_a_call_leaves_together_in_the_next() {
    check(
        "
        accept 1 Purchase a
        > load 1 [1]
        loaded 1
        > begin 1 [1]
        begun 1
        > send 1 [1]
        accept 2 ViewContent a
        accept 3 Purchase b
        accept 4 LeadSubmitted c
        accept 5 MarkAsRead c
        > load 2 [5]
        answer 1 confirmed
        > settle 1 call 1: 1 confirmed
        > load 3 [2, 3, 4]
        ",
    );
}

#[test]
fn a_further_call_opens_only_for_a_full_group() {
    check(
        "
        with per_call=2
        accept 1 Purchase a, 2 Purchase b, 3 Purchase c, 4 Purchase d, 5 Purchase e
        > load 1 [1, 2]
        > load 2 [3, 4]
        accept 6 Purchase f
        > load 3 [5, 6]
        accept 7 Purchase g
        loaded 1
        > begin 1 [1, 2]
        begun 1
        > send 1 [1, 2]
        answer 1 all confirmed
        > settle 1 call 1: 1 confirmed, 2 confirmed
        loaded 2 without 3 4
        loaded 3 without 5 6
        > load 4 [7]
        ",
    );
}

#[test]
fn blocks_and_unblocks_are_groups_of_their_own_and_so_are_numbers() {
    check(
        "
        accept 1 Block a, 2 Block b, 3 UnBlock c, 4 UnBlock d, 5 Block a from=B
        > load 1 [1, 2]
        > load 2 [5]
        > load 3 [3, 4]
        accept 6 Block e
        loaded 1
        > send 1 [1, 2]
        answer 1 confirmed rejected
        > settle 1 call 1: 1 confirmed, 2 failed
        > load 4 [6]
        ",
    );
}

#[test]
fn a_call_that_has_no_room_for_all_leaves_the_last_ones_to_the_next() {
    check(
        "
        accept 1 Purchase a, 2 Purchase b, 3 Purchase c
        > load 1 [1, 2, 3]
        accept 4 Purchase d
        loaded 1 over 2 3
        > begin 1 [1]
        begun 1
        > send 1 [1]
        live 2
        > waits
        answer 1 confirmed
        > settle 1 call 1: 1 confirmed
        > load 2 [2, 3, 4]
        ",
    );
}

#[test]
fn what_the_service_must_refuse_by_now_expires_and_the_others_go() {
    check(
        "
        accept 1 Block a, 2 Block b
        > load 1 [1, 2]
        accept 3 UnBlock a
        loaded 1 closed 1
        > settle 1: 1 expired (Closed)
        > send 1 [2]
        settled 1
        > load 2 [3]
        loaded 2 closed 3
        > settle 2: 3 expired (Closed)
        answer 1 confirmed
        > settle 3 call 1: 2 confirmed
        ",
    );
}

#[test]
fn a_group_that_is_refused_for_one_of_its_events_is_halved_until_that_stands_alone() {
    check(
        "
        accept 1 Purchase a, 2 Purchase b, 3 Purchase c, 4 Purchase d
        > load 1 [1, 2, 3, 4]
        loaded 1
        > begin 1 [1, 2, 3, 4]
        begun 1
        > send 1 [1, 2, 3, 4]
        accept 5 Purchase e
        answer 1 all refused_together
        > settle 1 call 1: 1 retrying (Halved), 2 retrying (Halved), 3 retrying (Halved), 4 retrying (Halved)
        settled 1
        > load 2 [1, 2]
        > load 3 [3, 4]
        loaded 2
        > begin 2 [1, 2]
        begun 2
        > send 2 [1, 2]
        answer 2 all confirmed
        > settle 2 call 2: 1 confirmed, 2 confirmed
        loaded 3
        > begin 3 [3, 4]
        begun 3
        > send 3 [3, 4]
        answer 3 all refused_together
        > settle 3 call 3: 3 retrying (Halved), 4 retrying (Halved)
        settled 3
        > load 4 [3]
        > load 5 [4]
        loaded 4
        > begin 4 [3]
        begun 4
        > send 4 [3]
        answer 4 rejected
        > settle 4 call 4: 3 failed
        loaded 5
        > begin 5 [4]
        begun 5
        > send 5 [4]
        answer 5 confirmed
        > settle 5 call 5: 4 confirmed
        > load 6 [5]
        ",
    );
}

#[test]
fn a_part_that_comes_to_nothing_for_another_reason_is_tried_again_as_it_is() {
    check(
        "
        accept 1 Purchase a, 2 Purchase b, 3 Purchase c, 4 Purchase d expires=60s
        > load 1 [1, 2, 3, 4]
        loaded 1
        > begin 1 [1, 2, 3, 4]
        begun 1
        > send 1 [1, 2, 3, 4]
        answer 1 all refused_together
        > settle 1 call 1: 1 retrying (Halved), 2 retrying (Halved), 3 retrying (Halved), 4 retrying (Halved)
        settled 1
        > load 2 [1, 2]
        > load 3 [3, 4]
        loaded 2
        > begin 2 [1, 2]
        begun 2
        > send 2 [1, 2]
        answer 2 all transient
        > settle 2 call 2: 1 retrying, 2 retrying
        accept 5 Purchase e
        loaded 3 without 3
        > begin 3 [4]
        begun 3
        > send 3 [4]
        answer 3 confirmed
        > settle 3 call 3: 4 confirmed
        settled 2
        discard 2
        > settle 4: 2 discarded (Discarded)
        wake
        > load 4 [1]
        loaded 4
        > begin 4 [1]
        begun 4
        > send 4 [1]
        answer 4 confirmed
        > settle 5 call 4: 1 confirmed
        > load 5 [5]
        ",
    );
}

#[test]
fn after_a_halving_the_size_restarts_at_the_last_that_passed() {
    check(
        "
        accept 1 Purchase a, 2 Purchase b
        > load 1 [1, 2]
        loaded 1
        > begin 1 [1, 2]
        begun 1
        > send 1 [1, 2]
        accept 3 Purchase c, 4 Purchase d, 5 Purchase e
        answer 1 all refused_together
        > settle 1 call 1: 1 retrying (Halved), 2 retrying (Halved)
        settled 1
        > load 2 [1]
        > load 3 [2]
        loaded 2
        > begin 2 [1]
        begun 2
        > send 2 [1]
        answer 2 rejected
        > settle 2 call 2: 1 failed
        loaded 3
        > begin 3 [2]
        begun 3
        > send 3 [2]
        answer 3 confirmed
        > settle 3 call 3: 2 confirmed
        > load 4 [3]
        > load 5 [4]
        > load 6 [5]
        ",
    );
}

#[test]
fn a_wider_refusal_settles_or_pauses_the_group_whole() {
    check(
        "
        accept 1 Purchase a, 2 Purchase b
        > load 1 [1, 2]
        loaded 1
        > begin 1 [1, 2]
        begun 1
        > send 1 [1, 2]
        answer 1 all unauthorized@number_family
        > alarm Unauthorized A Conversions NumberFamily
        > settle 1 call 1: 1 retrying, 2 retrying
        accept 3 MarkAsRead a
        > load 2 [3]
        settled 1
        +300s
        > load 3 [1, 2]
        loaded 3
        > begin 3 [1, 2]
        begun 3
        > send 3 [1, 2]
        answer 3 all rejected@number
        > alarm Recovered A Conversions NumberFamily
        > settle 2 call 3: 1 failed, 2 failed
        ",
    );
}

#[test]
fn a_refusal_of_a_group_of_one_is_its_own() {
    check(
        "
        accept 1 Purchase a
        > load 1 [1]
        loaded 1
        > begin 1 [1]
        begun 1
        > send 1 [1]
        answer 1 refused_together
        > settle 1 call 1: 1 failed
        ",
    );
}

#[test]
fn an_answer_that_leaves_open_what_counts_puts_the_group_in_doubt_whatever_the_policy() {
    check(
        "
        accept 1 Purchase a, 2 Purchase b
        > load 1 [1, 2]
        loaded 1
        > begin 1 [1, 2]
        begun 1
        > send 1 [1, 2]
        answer 1 all doubtful
        > settle 1 call 1: 1 in_doubt, 2 in_doubt
        ",
    );
}

#[test]
fn the_events_of_a_call_that_failed_come_back_together() {
    check(
        "
        accept 1 Purchase a, 2 Purchase b, 3 Purchase c
        > load 1 [1, 2, 3]
        loaded 1
        > begin 1 [1, 2, 3]
        begun 1
        > send 1 [1, 2, 3]
        answer 1 all transient
        > settle 1 call 1: 1 retrying, 2 retrying, 3 retrying
        settled 1
        wake
        > load 2 [1, 2, 3]
        ",
    );
}

#[test]
fn what_is_relayed_goes_alone_and_waits_for_nothing() {
    check(
        "
        with relayed=Block+Purchase
        accept 1 Block a, 2 Block b, 3 UnBlock c, 4 UnBlock d
        > load 1 [1]
        > load 2 [3, 4]
        > load 3 [2]
        accept 5 ViewContent a, 6 ViewContent b, 7 Purchase c
        > load 4 [5, 6]
        > load 5 [7]
        accept 8 Purchase d
        > load 6 [8]
        ",
    );
}
