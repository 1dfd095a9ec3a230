//! Events that lack something: what is asked, when they go on, and when they fail.

use crate::script::check;

#[test]
fn an_event_that_lacks_something_waits_until_it_is_found() {
    check(
        "
        accept 1 Purchase a lacks=yes due=1800s
        > seek [1]
        live 1
        > waits for click_id
        sought unknown 1
        live 1
        > waits for click_id
        accept 2 Purchase b
        > load 1 [2]
        +600s
        seek 1 2 9
        > seek [1]
        sought found 1
        live 1
        > waits
        loaded 1
        > begin 1 [2]
        begun 1
        > send 1 [2]
        answer 1 confirmed
        > settle 1 call 1: 2 confirmed
        > load 2 [1]
        ",
    );
}

#[test]
fn what_is_known_already_is_found_at_once() {
    check(
        "
        accept 1 Purchase a lacks=yes due=1800s
        > seek [1]
        sought found 1
        > load 1 [1]
        sought found 1
        sought unknown 1
        ",
    );
}

#[test]
fn at_the_deadline_it_is_sought_once_more_and_fails() {
    check(
        "
        accept 1 Purchase a lacks=yes due=1800s
        > seek [1]
        sought unknown 1
        wake
        > seek [1]
        sought unknown 1
        > settle 1: 1 failed (Lacking)
        settled 1
        count
        > open 0 calls 0 settlements 0
        ",
    );
    check(
        "
        accept 1 Purchase a lacks=yes due=1800s
        > seek [1]
        sought unknown 1
        +1800s
        > seek [1]
        sought found 1
        > load 1 [1]
        ",
    );
}

#[test]
fn news_during_a_search_leads_to_another_one() {
    check(
        "
        accept 1 Purchase a lacks=yes due=10s
        > seek [1]
        +60s
        seek 1
        sought unknown 1
        > seek [1]
        sought unknown 1
        > settle 1: 1 failed (Lacking)
        ",
    );
}

#[test]
fn one_that_was_redriven_is_sought_and_fails_again_or_goes() {
    check(
        "
        accept 1 Purchase a lacks=yes
        > seek [1]
        sought unknown 1
        > settle 1: 1 failed (Lacking)
        settled 1
        accept 1 Purchase a lacks=yes order=9
        > seek [1]
        sought found 1
        > load 1 [1]
        ",
    );
}

#[test]
fn it_is_discarded_expires_and_is_erased_as_any_other() {
    check(
        "
        accept 1 Purchase a lacks=yes due=1800s, 2 Purchase b lacks=yes due=1800s expires=60s, 3 Purchase c lacks=yes due=1800s
        > seek [1, 2, 3]
        discard 3
        > settle 1: 3 discarded (Discarded)
        sought unknown 1 2 3
        discard 1
        > settle 2: 1 discarded (Discarded)
        +60s
        > settle 3: 2 expired (Expired)
        settled 1
        settled 2
        settled 3
        accept 4 Purchase d lacks=yes due=1800s, 5 Purchase e lacks=yes due=1800s
        > seek [4, 5]
        sought unknown 4 gone 5
        seek 4
        > seek [4]
        sought gone 4
        count
        > open 0 calls 0 settlements 0
        ",
    );
}

#[test]
fn nothing_is_sought_after_the_stop_and_kinds_with_an_order_lack_nothing() {
    check(
        "
        accept 1 Purchase a lacks=yes due=10s
        > seek [1]
        accept 2 Block a lacks=yes
        > load 1 [2]
        accept 4 MarkAsRead a lacks=yes
        > load 2 [4]
        stop
        seek 1
        sought unknown 1
        +60s
        accept 3 Purchase a lacks=yes due=10s
        count
        > open 4 calls 2 settlements 0
        ",
    );
}

#[test]
fn before_the_start_it_is_found_and_waits_for_its_turn() {
    check(
        "
        without start
        accept 1 Purchase a lacks=yes due=1800s
        > seek [1]
        sought found 1
        start
        > load 1 [1]
        ",
    );
}
