//! Stories of later events that make earlier ones pointless, and of dead letters that hold their lanes.

use crate::script::check;

#[test]
fn the_last_word_about_a_person_supersedes_what_waits_and_not_what_is_in_a_call() {
    check(
        "
        accept 1 Block a
        > load 1 [1]
        accept 2 UnBlock a
        accept 3 Block a
        > settle 1: 2 superseded by 3
        accept 4 Block b
        loaded 1
        > send 1 [1]
        answer 1 confirmed
        > settle 2 call 1: 1 confirmed
        > load 2 [4]
        settled 2
        loaded 2
        > send 2 [4]
        answer 2 confirmed
        > settle 3 call 2: 4 confirmed
        settled 1
        > load 3 [3]
        ",
    );
}

#[test]
fn events_accepted_together_supersede_one_another() {
    check(
        "
        accept 1 Block a, 2 UnBlock a, 3 Block b, 4 Block a
        > settle 1: 2 superseded by 4, 1 superseded by 4
        > load 1 [3]
        settled 1
        ",
    );
}

#[test]
fn an_event_that_comes_back_from_a_call_is_superseded_by_what_came_meanwhile() {
    check(
        "
        accept 1 Block a
        > load 1 [1]
        loaded 1
        > send 1 [1]
        accept 2 UnBlock a
        answer 1 transient
        > settle 1 call 1: 1 retrying
        settled 1
        > settle 2: 1 superseded by 2
        settled 2
        > load 2 [2]
        ",
    );
}

#[test]
fn the_failure_of_the_later_event_revives_nothing() {
    check(
        "
        accept 1 Block a due=10s
        accept 2 UnBlock a
        > settle 1: 1 superseded by 2
        settled 1
        > load 1 [2]
        loaded 1
        > send 1 [2]
        answer 1 rejected
        > settle 2 call 1: 2 failed
        settled 2
        +10s
        count
        > open 0 calls 0 settlements 0
        ",
    );
}

#[test]
fn persons_who_share_a_hash_supersede_nothing_of_one_another() {
    check(
        "
        accept 1 Block a due=1s
        accept 2 Block a
        > settle 1: 1 superseded by 2
        settled 1 unlike 1
        > load 1 [1]
        loaded 1
        > send 1 [1]
        answer 1 confirmed
        > settle 2 call 1: 1 confirmed
        settled 2
        > load 2 [2]
        ",
    );
}

#[test]
fn a_typing_indicator_supersedes_an_earlier_one_of_its_chat() {
    check(
        "
        with window=1
        accept 1 MarkAsRead a
        > load 1 [1]
        accept 2 Typing a
        accept 3 Typing b
        accept 4 Typing -
        accept 5 Typing -
        accept 6 Typing a
        > settle 1: 2 superseded by 6
        loaded 1
        > send 1 [1]
        answer 1 confirmed
        > settle 2 call 1: 1 confirmed
        > load 2 [3]
        > load 3 [4]
        loaded 2
        > send 2 [3]
        accept 7 Typing b
        answer 2 not_sent
        > settle 3 call 2: 3 retrying
        settled 3
        > settle 4: 3 superseded by 7
        ",
    );
}

#[test]
fn a_dead_letter_frees_its_lane_or_holds_it_until_it_is_redriven_in_its_place() {
    check(
        "
        with held_lanes
        accept 1 Block a
        > load 1 [1]
        loaded 1
        > send 1 [1]
        answer 1 rejected
        > settle 1 call 1: 1 failed holds its lane
        settled 1
        live 1
        > none
        count
        > open 0 calls 0 settlements 0
        accept 2 UnBlock a
        accept 3 Block b
        > load 2 [3]
        live 2
        > waits for operator
        accept 1 Block a attempts=1
        > settle 2: 1 superseded by 2
        loaded 2
        > send 2 [3]
        answer 2 confirmed
        > settle 3 call 2: 3 confirmed
        settled 2
        > load 3 [2]
        ",
    );
}

#[test]
fn a_held_lane_goes_on_when_its_dead_letter_is_redriven_or_discarded() {
    check(
        "
        with held_lanes
        accept 1 Block a, 2 Block b
        > load 1 [1, 2]
        loaded 1
        > send 1 [1, 2]
        answer 1 all rejected
        > settle 1 call 1: 1 failed holds its lane, 2 failed holds its lane
        accept 1 Block a attempts=1
        settled 1
        > load 2 [1]
        accept 3 UnBlock b
        discard 2
        > load 3 [3]
        count
        > open 2 calls 2 settlements 0
        ",
    );
}

#[test]
fn a_dead_letter_found_at_start_holds_its_lane_until_the_configuration_says_otherwise() {
    check(
        "
        with held_lanes
        without start
        accept 1 Block a held=yes attempts=1
        accept 2 UnBlock a
        accept 3 Block a held=yes attempts=1 order=9
        start
        live 2
        > waits for operator
        count
        > open 1 calls 0 settlements 0
        configure released
        > load 1 [2]
        ",
    );
}

#[test]
fn a_dead_letter_of_a_number_that_holds_no_lanes_is_left_aside() {
    check(
        "
        without start
        accept 1 Block a held=yes attempts=1
        accept 2 UnBlock a
        start
        > load 1 [2]
        ",
    );
}

#[test]
fn a_read_mark_supersedes_those_of_messages_that_are_known_to_be_older() {
    check(
        "
        with window=1
        accept 1 Block z
        > load 1 [1]
        accept 2 MarkAsRead a rank=5
        accept 3 MarkAsRead a
        accept 4 MarkAsRead b rank=9
        accept 5 MarkAsRead a rank=7
        > settle 1: 2 superseded by 5
        accept 6 MarkAsRead a rank=6
        > settle 2: 6 superseded by 5
        accept 7 MarkAsRead a rank=7
        accept 8 MarkAsRead - rank=9
        ",
    );
}
