//! The engine's rules as stories: what it is told, and what it asks for.

#![expect(clippy::unwrap_used, reason = "what goes wrong here is a failed test")]

mod groups;
mod lacking;
mod lanes;
mod outage;
mod paused;
mod routes;
mod script;
mod trouble;

use script::check;

#[test]
fn an_event_is_loaded_sent_settled_and_gone() {
    check(
        "
        accept 1 MarkAsRead a
        > load 1 [1]
        loaded 1
        > send 1 [1]
        live 1
        > sending
        answer 1 confirmed
        > settle 1 call 1: 1 confirmed
        settled 1
        live 1
        > none
        count
        > open 0 calls 0 settlements 0
        ",
    );
}

#[test]
fn nothing_leaves_before_the_start_or_after_the_stop() {
    check(
        "
        without start
        accept 1 MarkAsRead a
        accept 2 MarkAsRead b
        start
        > load 1 [1]
        > load 2 [2]
        stop
        accept 3 MarkAsRead c
        loaded 1
        > send 1 [1]
        answer 1 confirmed
        > settle 1 call 1: 1 confirmed
        settled 1
        ",
    );
}

#[test]
fn an_event_told_twice_is_one_event() {
    check(
        "
        accept 1 MarkAsRead a
        > load 1 [1]
        accept 1 MarkAsRead a
        count
        > open 1 calls 1 settlements 0
        ",
    );
}

#[test]
fn a_conversion_is_begun_in_the_journal_before_it_is_sent() {
    check(
        "
        accept 1 Purchase a
        > load 1 [1]
        loaded 1
        > begin 1 [1]
        begun 1
        > send 1 [1]
        answer 1 confirmed
        > settle 1 call 1: 1 confirmed
        ",
    );
}

#[test]
fn an_event_erased_meanwhile_is_forgotten() {
    check(
        "
        accept 1 Block a
        > load 1 [1]
        accept 2 UnBlock a
        loaded 1 without 1
        > load 2 [2]
        count
        > open 1 calls 1 settlements 0
        ",
    );
}

#[test]
fn a_lane_moves_on_only_when_the_outcome_is_committed() {
    check(
        "
        accept 1 Block a
        > load 1 [1]
        accept 2 UnBlock a
        live 2
        > waits for lane
        loaded 1
        > send 1 [1]
        answer 1 confirmed
        > settle 1 call 1: 1 confirmed
        settled 1
        > load 2 [2]
        loaded 2
        > send 2 [2]
        accept 3 Block a
        answer 2 rejected
        > settle 2 call 2: 2 failed
        settled 2
        > load 3 [3]
        ",
    );
}

#[test]
fn a_retry_keeps_its_place_in_the_lane() {
    check(
        "
        accept 1 Block a
        > load 1 [1]
        accept 2 UnBlock a expires=5s
        loaded 1
        > send 1 [1]
        +5s
        > settle 1: 2 expired (Expired)
        answer 1 transient
        > settle 2 call 1: 1 retrying
        settled 2
        wake
        > load 2 [1]
        loaded 2
        > send 2 [1]
        accept 3 UnBlock a
        settled 1
        answer 2 confirmed
        > settle 3 call 2: 1 confirmed
        settled 3
        > load 3 [3]
        ",
    );
}

#[test]
fn a_redriven_event_goes_to_its_lanes_tail() {
    check(
        "
        accept 2 UnBlock a
        > load 1 [2]
        accept 1 Block a order=9
        loaded 1
        > send 1 [2]
        answer 1 confirmed
        > settle 1 call 1: 2 confirmed
        settled 1
        > load 2 [1]
        ",
    );
}

#[test]
fn an_event_that_is_loaded_later_can_be_an_earlier_one() {
    check(
        "
        without start
        accept 1 Block a order=9
        accept 2 UnBlock a
        > settle 1: 2 superseded by 1
        start
        settled 1
        > load 1 [1]
        ",
    );
}

#[test]
fn failures_and_what_follows() {
    check(
        "
        accept 1 MarkAsRead a
        > load 1 [1]
        loaded 1
        > send 1 [1]
        answer 1 not_sent
        > settle 1 call 1: 1 retrying
        settled 1
        > load 2 [1]
        loaded 2
        > send 2 [1]
        answer 2 not_sent
        > settle 2 call 2: 1 retrying
        settled 2
        wake
        > load 3 [1]
        loaded 3
        > send 3 [1]
        answer 3 unknown
        > settle 3 call 3: 1 retrying
        settled 3
        wake
        > load 4 [1]
        loaded 4
        > send 4 [1]
        answer 4 rejected
        > settle 4 call 4: 1 failed
        settled 4
        count
        > open 0 calls 0 settlements 0
        ",
    );
}

#[test]
fn a_conversion_whose_answer_is_lost_is_sent_again_and_marked() {
    check(
        "
        accept 1 Purchase a
        > load 1 [1]
        loaded 1
        > begin 1 [1]
        begun 1
        > send 1 [1]
        answer 1 unknown
        > settle 1 call 1: 1 retrying (Resend) possibly duplicate
        settled 1
        wake
        > load 2 [1]
        ",
    );
}

#[test]
fn or_it_is_held() {
    check(
        "
        with hold
        accept 1 Purchase a
        > load 1 [1]
        loaded 1
        > begin 1 [1]
        begun 1
        > send 1 [1]
        answer 1 unknown
        > settle 1 call 1: 1 in_doubt (AnswerLost)
        ",
    );
}

#[test]
fn calls_cut_off_by_the_end_of_the_process_count_as_lost_answers() {
    check(
        "
        without start
        accept 1 Purchase a interrupted=77
        accept 2 Purchase b interrupted=77
        accept 3 Purchase c interrupted=78
        accept 4 Purchase d
        start
        > settle 1 interrupted 77: 1 retrying (Resend) possibly duplicate, 2 retrying (Resend) possibly duplicate
        > settle 2 interrupted 78: 3 retrying (Resend) possibly duplicate
        > load 1 [4]
        loaded 1
        > begin 1 [4]
        begun 1
        > send 1 [4]
        answer 1 confirmed
        > settle 3 call 1: 4 confirmed
        settled 1
        wake
        > load 2 [1, 2]
        ",
    );
}

#[test]
fn what_expires_is_not_sent() {
    check(
        "
        accept 1 Block a
        > load 1 [1]
        accept 2 UnBlock a expires=5s
        accept 4 Typing b due=30s expires=25s
        +6s
        > settle 1: 2 expired (Expired)
        +19s
        > settle 2: 4 expired (Expired)
        accept 3 Block a
        settled 1
        settled 2
        loaded 1
        > send 1 [1]
        answer 1 confirmed
        > settle 3 call 1: 1 confirmed
        settled 3
        > load 2 [3]
        ",
    );
}

#[test]
fn expiry_is_compared_before_every_try_and_when_a_retry_is_planned() {
    check(
        "
        accept 1 MarkAsRead a expires=400ms
        > load 1 [1]
        loaded 1
        > send 1 [1]
        accept 2 MarkAsRead b due=300ms expires=350ms
        +360ms
        > settle 1: 2 expired (Expired)
        +50ms
        answer 1 transient
        > settle 2 call 1: 1 expired (Expired)
        accept 3 MarkAsRead c expires=3s
        > load 2 [3]
        loaded 2
        > send 2 [3]
        answer 2 throttled=60s
        > settle 3 call 2: 3 expired (ExpiresBeforeRetry)
        ",
    );
}

#[test]
fn a_throttle_acts_on_its_scope_and_on_nothing_else() {
    check(
        "
        accept 1 MarkAsRead a from=A
        > load 1 [1]
        loaded 1
        > send 1 [1]
        answer 1 throttled@number=30s
        > settle 1 call 1: 1 retrying
        settled 1
        accept 2 Block b from=A
        accept 3 MarkAsRead c from=B
        > load 2 [3]
        live 2
        > waits for throttle until +30s
        +30s
        > load 3 [2]
        > load 4 [1]
        ",
    );
}

#[test]
fn the_pair_rate_limit_delays_one_event() {
    check(
        "
        accept 1 MarkAsRead a
        > load 1 [1]
        loaded 1
        > send 1 [1]
        answer 1 throttled
        > settle 1 call 1: 1 retrying
        settled 1
        accept 2 MarkAsRead b
        > load 2 [2]
        +5999ms
        wake
        > load 3 [1]
        ",
    );
}

#[test]
fn a_dead_credential_pauses_its_scope_raises_one_alarm_and_is_probed() {
    check(
        "
        accept 1 Purchase a from=A
        > load 1 [1]
        accept 2 Purchase b from=B
        > load 2 [2]
        loaded 1
        > begin 1 [1]
        begun 1
        > send 1 [1]
        answer 1 unauthorized@credential
        > alarm Unauthorized A Conversions Credential
        > settle 1 call 1: 1 retrying
        loaded 2
        > begin 2 [2]
        begun 2
        > send 2 [2]
        answer 2 unauthorized@credential
        > settle 2 call 2: 2 retrying
        settled 1
        settled 2
        live 1
        > waits for credential until +300s
        accept 3 MarkAsRead c from=A
        > load 3 [3]
        +300s
        > load 4 [1]
        live 2
        > waits for credential
        loaded 4
        > begin 4 [1]
        begun 4
        > send 4 [1]
        answer 4 unauthorized@credential
        > settle 3 call 4: 1 retrying
        settled 3
        +300s
        > load 5 [1]
        loaded 5
        > begin 5 [1]
        begun 5
        > send 5 [1]
        answer 5 confirmed
        > alarm Recovered A Conversions Credential
        > settle 4 call 5: 1 confirmed
        > load 6 [2]
        ",
    );
}

#[test]
fn a_new_configuration_ends_the_pause_of_a_dead_credential() {
    check(
        "
        accept 1 MarkAsRead a
        > load 1 [1]
        loaded 1
        > send 1 [1]
        answer 1 unauthorized@number_family
        > alarm Unauthorized A Messages NumberFamily
        > settle 1 call 1: 1 retrying
        settled 1
        accept 2 Block a
        > load 2 [2]
        configure
        > load 3 [1]
        ",
    );
}

#[test]
fn an_outage_is_not_tried_with_every_event() {
    check(
        "
        accept 1 MarkAsRead a
        > load 1 [1]
        accept 2 MarkAsRead b
        > load 2 [2]
        accept 3 MarkAsRead c
        > load 3 [3]
        accept 4 MarkAsRead d
        > load 4 [4]
        loaded 1
        > send 1 [1]
        loaded 2
        > send 2 [2]
        loaded 3
        > send 3 [3]
        loaded 4
        > send 4 [4]
        answer 1 transient
        > settle 1 call 1: 1 retrying
        answer 2 transient
        > settle 2 call 2: 2 retrying
        answer 3 transient
        > settle 3 call 3: 3 retrying
        answer 4 transient
        > settle 4 call 4: 4 retrying
        accept 5 MarkAsRead e
        live 5
        > waits
        wake
        > load 5 [5]
        accept 6 MarkAsRead f
        ",
    );
}

#[test]
fn a_number_that_is_not_configured_keeps_its_events() {
    check(
        "
        accept 1 MarkAsRead a from=Z
        live 1
        > waits for operator
        accept 2 MarkAsRead a from=A
        > load 1 [2]
        configure with Z
        > load 2 [1]
        ",
    );
}

#[test]
fn the_window_of_a_number_starts_small_and_doubles() {
    check(
        "
        with window=2
        accept 1 MarkAsRead a
        > load 1 [1]
        accept 2 MarkAsRead b
        > load 2 [2]
        accept 3 MarkAsRead c
        accept 4 MarkAsRead d
        accept 5 MarkAsRead e
        accept 6 MarkAsRead f from=B
        > load 3 [6]
        loaded 1
        > send 1 [1]
        loaded 2
        > send 2 [2]
        answer 1 confirmed
        > settle 1 call 1: 1 confirmed
        > load 4 [3]
        answer 2 confirmed
        > settle 2 call 2: 2 confirmed
        > load 5 [4]
        > load 6 [5]
        ",
    );
}

#[test]
fn a_numbers_rate_is_never_exceeded_in_any_second() {
    check(
        "
        with rate=2
        accept 1 MarkAsRead a
        > load 1 [1]
        loaded 1
        > send 1 [1]
        +600ms
        accept 2 MarkAsRead b
        > load 2 [2]
        accept 3 MarkAsRead c
        accept 4 MarkAsRead d
        left 1
        +100ms
        loaded 2
        > send 2 [2]
        left 2
        +919ms
        +1ms
        > load 3 [3]
        loaded 3
        > send 3 [3]
        +99ms
        +1ms
        > load 4 [4]
        ",
    );
}

#[test]
fn a_call_counts_for_the_rate_until_a_second_after_it_has_left() {
    check(
        "
        with rate=1
        accept 1 MarkAsRead a
        > load 1 [1]
        accept 2 MarkAsRead b
        accept 3 MarkAsRead c
        +30s
        loaded 1
        > send 1 [1]
        +5s
        left 1
        left 1
        +1019ms
        +1ms
        > load 2 [2]
        loaded 2
        > send 2 [2]
        +5s
        answer 2 confirmed
        > settle 1 call 2: 2 confirmed
        left 2
        +1019ms
        +1ms
        > load 3 [3]
        loaded 3 without 3
        accept 4 MarkAsRead d
        > load 4 [4]
        ",
    );
}

#[test]
fn what_expires_while_its_body_is_fetched_is_not_sent() {
    check(
        "
        accept 1 Typing a expires=25s
        > load 1 [1]
        +26s
        loaded 1
        > settle 1: 1 expired (Expired)
        settled 1
        accept 2 Block b expires=30s, 3 Block c expires=40s
        > load 2 [2, 3]
        accept 4 UnBlock b
        +30s
        loaded 2
        > settle 2: 2 expired (Expired)
        > send 2 [3]
        settled 2
        > load 3 [4]
        count
        > open 2 calls 2 settlements 0
        ",
    );
}

#[test]
fn retries_and_fresh_events_take_turns() {
    check(
        "
        with window=1
        without start
        accept 1 MarkAsRead a attempts=3
        accept 2 MarkAsRead b attempts=3
        accept 3 MarkAsRead c
        accept 4 MarkAsRead d
        accept 5 MarkAsRead e
        start
        > load 1 [3]
        loaded 1
        > send 1 [3]
        answer 1 transient
        > settle 1 call 1: 3 retrying
        > load 2 [1]
        loaded 2
        > send 2 [1]
        answer 2 transient
        > settle 2 call 2: 1 retrying
        > load 3 [4]
        loaded 3
        > send 3 [4]
        answer 3 transient
        > settle 3 call 3: 4 retrying
        > load 4 [2]
        ",
    );
}

#[test]
fn an_operator_gives_up_what_waits_but_not_what_is_under_way() {
    check(
        "
        accept 1 Block a
        > load 1 [1]
        accept 2 UnBlock a
        accept 3 Typing b due=10s
        discard 1 2 3
        > settle 1: 2 discarded (Discarded), 3 discarded (Discarded)
        giving_up 1
        > Called
        giving_up 2
        > Ending
        settled 1
        giving_up 2
        > none
        count
        > open 1 calls 1 settlements 0
        ",
    );
}

#[test]
fn what_a_call_led_to_is_committed_before_an_event_can_be_given_up() {
    check(
        "
        accept 1 Block a
        > load 1 [1]
        loaded 1
        > send 1 [1]
        answer 1 transient
        > settle 1 call 1: 1 retrying
        discard 1
        giving_up 1
        > NotYet
        settled 1
        discard 1
        > settle 2: 1 discarded (Discarded)
        giving_up 1
        > Ending
        settled 2
        giving_up 1
        > none
        ",
    );
}

#[test]
fn a_number_whose_count_changed_is_told_once_however_it_changed() {
    check(
        "
        accept 1 MarkAsRead a from=A
        > load 1 [1]
        accept 2 Typing b from=A due=30s expires=25s
        accept 3 MarkAsRead c from=Z
        recounted
        > A 2, Z 1
        recounted
        >
        +26s
        > settle 1: 2 expired (Expired)
        settled 1
        recounted
        > A 1
        discard 3
        > settle 2: 3 discarded (Discarded)
        settled 2
        loaded 1 without 1
        recounted
        > Z 0, A 0
        ",
    );
}
