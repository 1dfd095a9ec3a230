//! SQLite's harness.

use laneway_journal::{Feed, Journal, Limits, Options};
use tempfile::TempDir;

use super::fixtures::Harness;

pub(crate) struct Sqlite {
    directory: TempDir,
    limits: Limits,
    journal: Journal,
    feed: Option<Feed>,
}

fn open(directory: &TempDir, limits: Limits) -> (Journal, Option<Feed>) {
    let options = Options { limits, ..Options::new(directory.path()) };
    let (journal, feed) = Journal::open(options).unwrap();
    (journal, Some(feed))
}

impl Harness for Sqlite {
    async fn create(limits: Limits) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (journal, feed) = open(&directory, limits);
        Self { directory, limits, journal, feed }
    }

    fn journal(&self) -> Journal {
        self.journal.clone()
    }

    fn feed(&mut self) -> Feed {
        self.feed.take().expect("the feed is taken once after each opening")
    }

    async fn reopen(&mut self) {
        self.journal.clone().close().await;
        (self.journal, self.feed) = open(&self.directory, self.limits);
    }

    /// Copies the files as they are while the journal is open: what was committed is in them, nothing was tidied up. The
    /// index may be about to change, so it is copied as its last transaction left it.
    async fn crash(&mut self) {
        let copy = tempfile::tempdir().unwrap();
        for file in ["journal.db", "journal.db-wal"] {
            std::fs::copy(self.directory.path().join(file), copy.path().join(file)).unwrap();
        }
        let index = rusqlite::Connection::open(self.directory.path().join("index.db")).unwrap();
        index.execute("VACUUM INTO ?1", [copy.path().join("index.db").to_str()]).unwrap();
        drop(index);
        self.journal.clone().close().await;
        self.directory = copy;
        (self.journal, self.feed) = open(&self.directory, self.limits);
    }
}

macro_rules! conforms {
    ($($module:ident: $($check:ident),+;)+) => {
        $(mod $module {
            $(#[tokio::test]
            async fn $check() {
                crate::$module::$check::<super::Sqlite>().await;
            })+
        })+
    };
}

conforms! {
    queues: appends_are_numbered_in_order, rows_come_back_as_they_were, queues_are_independent,
        sequences_never_go_back, open_rows_come_in_pages, the_feed_tells_what_is_committed,
        a_full_feed_says_behind, a_queue_is_given_to_a_reader_of_its_own, an_old_lease_is_fenced, a_closed_journal_says_so, an_id_is_compared_as_a_whole,
        appends_at_once_are_all_answered, stats_count_what_there_is;
    keys: a_repetition_is_recognised, what_is_known_is_recalled, a_conflict_outweighs_a_replay, repetitions_within_one_append,
        repetitions_at_once, a_key_is_free_from_its_instant_on, keys_outlive_their_rows, keys_belong_to_their_queue,
        keys_are_found_in_the_index, more_keys_than_the_index_can_take_are_refused, free_keys_are_removed;
    lacking: what_lacks_something_is_completed, what_is_final_or_gone_is_not_completed;
    calls: attempts_come_back, a_call_that_was_begun_is_ended, a_call_without_an_end_is_unfinished,
        a_call_of_rows_that_are_not_open_is_refused, members_have_their_own_outcomes, a_final_row_does_not_change,
        a_settlement_can_come_twice, what_supersedes_is_named, settlements_post_and_touch,
        a_requeued_row_is_open_again, requeueing_is_told;
    lanes: a_dead_letter_holds_its_lane_over_restarts, a_holder_is_final, holders_and_open_rows_share_pages, large_pages_tell_what_small_ones_tell,
        a_requeued_holder_keeps_its_place, dead_letters_are_given_up, erasure_reaches_holders;
    lists: each_filter_narrows, pages_follow_each_other, the_work_of_a_page_is_limited,
        a_persons_rows_are_found_in_and_above_the_index;
    people: touches_fold_in_any_order, touches_do_not_pile_up, folded_and_unfolded_touches_are_one, erasure_leaves_nothing,
        erasure_stops_at_its_instant, erasure_finds_forwards_by_what_they_say, what_is_told_of_an_event_is_erased_with_it, erasure_reaches_who_is_the_same, erasure_follows_who_changed_their_number, a_tenant_erases_only_its_own, the_blocked_are_listed_page_by_page, erasure_keeps_the_others_of_a_call;
    removal: only_old_final_rows_are_purged, purging_is_limited, calls_go_with_their_last_row,
        notifications_are_purged, contacts_are_purged_when_nothing_was_told_for_long;
}
