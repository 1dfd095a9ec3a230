//! Stories in which reports come late, twice, incomplete, or in an order that nobody planned.

use crate::script::check;

#[test]
fn a_retry_whose_time_ended_while_its_outcome_was_committed_expires_even_where_nothing_is_sent() {
    check(
        "
        accept 1 MarkAsRead a expires=3s
        > load 1 [1]
        loaded 1
        > send 1 [1]
        answer 1 throttled=1s
        > settle 1 call 1: 1 retrying
        configure only B
        +4s
        settled 1
        > settle 2: 1 expired (Expired)
        ",
    );
}

#[test]
fn a_member_without_an_outcome_counts_as_one_whose_answer_was_lost() {
    check(
        "
        accept 1 MarkAsRead a
        > load 1 [1]
        loaded 1
        > send 1 [1]
        answer 1
        > settle 1 call 1: 1 retrying
        settled 1
        wake
        > load 2 [1]
        ",
    );
}

#[test]
fn an_event_redriven_before_the_engine_learned_of_its_end_starts_anew_at_the_end_of_its_lane() {
    check(
        "
        accept 1 Block a
        > load 1 [1]
        accept 2 UnBlock a
        loaded 1
        > send 1 [1]
        answer 1 rejected
        > settle 1 call 1: 1 failed
        accept 1 Block a order=9
        settled 1
        > settle 2: 2 superseded by 1
        count
        > open 2 calls 0 settlements 1
        settled 2
        > load 2 [1]
        ",
    );
}

#[test]
fn a_report_that_comes_twice_sends_nothing_twice() {
    check(
        "
        accept 1 Purchase a
        > load 1 [1]
        begun 1
        answer 1 confirmed
        loaded 1
        > begin 1 [1]
        loaded 1
        answer 1 confirmed
        begun 1
        > send 1 [1]
        begun 1
        loaded 1
        loaded 1 without 1
        answer 1 confirmed
        > settle 1 call 1: 1 confirmed
        answer 1 confirmed
        settled 1
        settled 1
        count
        > open 0 calls 0 settlements 0
        ",
    );
}

#[test]
fn a_member_that_the_journal_knows_to_be_gone_ends_a_call_that_could_not_begin() {
    check(
        "
        accept 1 Purchase a
        > load 1 [1]
        loaded 1
        > begin 1 [1]
        loaded 1 without 1
        count
        > open 0 calls 0 settlements 0
        ",
    );
}

#[test]
fn an_interrupted_event_of_an_unknown_kind_is_held() {
    check(
        "
        without start
        accept 1 Unheard a interrupted=7
        start
        live 1
        > waits for operator
        ",
    );
}

#[test]
fn an_interrupted_event_that_is_told_late_is_judged_at_once() {
    check(
        "
        with hold
        accept 1 Purchase a interrupted=7
        > settle 1 interrupted 7: 1 in_doubt (AnswerLost)
        ",
    );
}

#[test]
fn an_interrupted_event_holds_its_lane() {
    check(
        "
        without start
        accept 1 Block a interrupted=7
        accept 2 UnBlock a expires=1s
        +1s
        start
        > settle 1 interrupted 7: 1 retrying
        > settle 2: 2 expired (Expired)
        settled 1
        wake
        > load 1 [1]
        ",
    );
}

#[test]
fn a_throttle_that_is_over_when_it_is_told_still_means_to_wait() {
    check(
        "
        accept 1 MarkAsRead a
        > load 1 [1]
        loaded 1
        > send 1 [1]
        answer 1 throttled@number=0s
        > settle 1 call 1: 1 retrying
        settled 1
        live 1
        > waits for throttle until +5s
        ",
    );
}

#[test]
fn the_pair_rate_limit_says_nothing_of_the_numbers_window() {
    check(
        "
        with window=2
        accept 1 MarkAsRead a
        > load 1 [1]
        accept 2 MarkAsRead b
        > load 2 [2]
        accept 3 MarkAsRead c
        accept 4 MarkAsRead d
        loaded 1
        > send 1 [1]
        answer 1 throttled
        > settle 1 call 1: 1 retrying
        > load 3 [3]
        ",
    );
}

#[test]
fn a_lane_waits_until_an_earlier_member_is_known_to_be_discarded() {
    check(
        "
        accept 1 Block a
        > load 1 [1]
        accept 2 UnBlock a
        loaded 1
        > send 1 [1]
        discard 2
        > settle 1: 2 discarded (Discarded)
        accept 3 Block a
        answer 1 confirmed
        > settle 2 call 1: 1 confirmed
        settled 2
        settled 1
        > load 2 [3]
        ",
    );
}

#[test]
fn an_earlier_event_that_came_during_a_call_goes_before_its_repetition() {
    check(
        "
        accept 2 UnBlock a
        > load 1 [2]
        accept 1 Block a
        loaded 1
        > send 1 [2]
        answer 1 not_sent
        > settle 1 call 1: 2 retrying
        settled 1
        > load 2 [1]
        loaded 2
        > send 2 [1]
        answer 2 confirmed
        > settle 2 call 2: 1 confirmed
        settled 2
        > load 3 [2]
        ",
    );
}

#[test]
fn a_new_configuration_is_tried_with_one_call_and_tells_when_calls_work_again() {
    check(
        "
        accept 1 MarkAsRead a
        > load 1 [1]
        loaded 1
        > send 1 [1]
        answer 1 unauthorized@number
        > alarm Unauthorized A Messages Number
        > settle 1 call 1: 1 retrying
        settled 1
        accept 2 MarkAsRead b
        configure
        > load 2 [1]
        loaded 2
        > send 2 [1]
        answer 2 confirmed
        > alarm Recovered A Messages Number
        > settle 2 call 2: 1 confirmed
        > load 3 [2]
        ",
    );
}

#[test]
fn a_try_that_told_nothing_does_not_bring_the_next_one_forward() {
    check(
        "
        accept 1 Purchase a from=A
        > load 1 [1]
        loaded 1
        > begin 1 [1]
        begun 1
        > send 1 [1]
        accept 2 Purchase b from=B
        > load 2 [2]
        loaded 2
        > begin 2 [2]
        begun 2
        > send 2 [2]
        answer 1 unauthorized@credential
        > alarm Unauthorized A Conversions Credential
        > settle 1 call 1: 1 retrying
        settled 1
        +300s
        > load 3 [1]
        loaded 3
        > begin 3 [1]
        begun 3
        > send 3 [1]
        answer 2 unauthorized@credential
        > settle 2 call 2: 2 retrying
        settled 2
        answer 3 not_sent
        > settle 3 call 3: 1 retrying
        settled 3
        live 2
        > waits for credential until +300s
        ",
    );
}

#[test]
fn a_number_leaves_room_for_others() {
    check(
        "
        with slots=4
        accept 1 MarkAsRead a
        > load 1 [1]
        accept 2 MarkAsRead b
        > load 2 [2]
        accept 3 MarkAsRead c
        accept 4 MarkAsRead d from=B
        > load 3 [4]
        accept 5 MarkAsRead e from=B
        loaded 3
        > send 3 [4]
        answer 3 confirmed
        > settle 1 call 3: 4 confirmed
        > load 4 [5]
        loaded 4
        > send 4 [5]
        accept 6 MarkAsRead f from=A
        loaded 1
        > send 1 [1]
        loaded 2
        > send 2 [2]
        answer 1 confirmed
        > settle 2 call 1: 1 confirmed
        > load 5 [3]
        ",
    );
}

#[test]
fn an_event_that_waits_for_a_throttled_number_says_so_even_if_it_is_due_later_itself() {
    check(
        "
        accept 1 MarkAsRead a
        > load 1 [1]
        loaded 1
        > send 1 [1]
        answer 1 throttled@number=30s
        > settle 1 call 1: 1 retrying
        settled 1
        live 1
        > waits for throttle until +30s
        ",
    );
}
