//! Stories of what is told about pauses.

use crate::script::check;

#[test]
fn a_refusal_is_told_until_a_call_works_again() {
    check(
        "
        accept 1 Purchase a from=A
        > load 1 [1]
        loaded 1
        > begin 1 [1]
        begun 1
        > send 1 [1]
        answer 1 unauthorized@credential
        > alarm Unauthorized A Conversions Credential
        > settle 1 call 1: 1 retrying
        settled 1
        accept 2 Purchase b from=B, 3 Purchase c from=B due=900s
        +100s
        paused
        > credential 0 unauthorized since -100s until +200s, 2 wait
        +200s
        > load 2 [1]
        paused
        > credential 0 unauthorized since -300s is being tried, 1 wait
        loaded 2
        > begin 2 [1]
        begun 2
        > send 2 [1]
        answer 2 unauthorized@credential
        > settle 2 call 2: 1 retrying
        settled 2
        paused
        > credential 0 unauthorized since -300s until +300s, 2 wait
        discard 1 2
        > settle 3: 1 discarded (Discarded), 2 discarded (Discarded)
        settled 3
        +301s
        paused
        > credential 0 unauthorized since -601s is to be tried, 0 wait
        +299s
        > load 3 [3]
        loaded 3
        > begin 3 [3]
        begun 3
        > send 3 [3]
        answer 3 confirmed
        > alarm Recovered B Conversions Credential
        > settle 4 call 3: 3 confirmed
        paused
        ",
    );
}

#[test]
fn a_rest_is_told_while_it_lasts_and_a_longer_one_is_the_same() {
    check(
        "
        with relayed=Block
        accept 1 MarkAsRead a, 2 MarkAsRead b, 3 Block c
        > load 1 [1]
        > load 2 [3]
        > load 3 [2]
        loaded 1
        > send 1 [1]
        loaded 2
        > send 2 [3]
        loaded 3
        > send 3 [2]
        answer 1 throttled@number_family=30s
        > settle 1 call 1: 1 retrying
        answer 2 throttled@number=20s
        > settle 2 call 2: 3 retrying
        +10s
        answer 3 throttled@number_family=30s
        > settle 3 call 3: 2 retrying
        settled 1
        settled 2
        settled 3
        accept 4 Typing d
        paused
        > A Messages throttled since -10s until +30s, 1 wait
        > A at CM.com throttled since -10s until +10s, 0 wait
        +10s
        > load 4 [3]
        paused
        > A Messages throttled since -20s until +20s, 1 wait
        +20s
        > load 5 [1]
        > load 6 [4]
        paused
        ",
    );
}

#[test]
fn an_outage_is_told_as_the_pause_of_a_number() {
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
        paused
        answer 4 transient
        > settle 4 call 4: 4 retrying
        accept 5 MarkAsRead e
        paused
        > A outage since -0ns until +39ms, 1 wait
        ",
    );
}
