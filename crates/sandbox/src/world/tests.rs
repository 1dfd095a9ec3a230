//! What the world remembers, seen without a server. Time is a number here.

use laneway_wire::graph::server::{
    BlockEntry, BlockVerb, BlocklistQuery, ConversionFields, ConversionRefusal, Happening, Recipient,
    Refusal, UserRefusal,
};

use super::*;
use crate::clock::Moment;
use crate::limits::BLOCKLIST_MAX;
use crate::mint::Mint;
use crate::state::{State, StateError};

const BUSINESS: &str = "+316098765432";
const CUSTOMER: &str = "+316012345678";
const SECOND: u64 = 1_000_000;
const HOUR: u64 = 3_600 * SECOND;
const NOW: Moment = Moment(1_795_406_719_000_000);

struct Bench {
    world: World,
    mint: Mint,
    id: String,
}

impl Bench {
    fn new() -> Bench {
        let (mut world, mut mint) = (World::default(), Mint::new(1, 1));
        let new = NewNumber { number: Some(BUSINESS.to_owned()), ..NewNumber::default() };
        let id = world.add_number(&mut mint, &new).unwrap().phone_number_id;
        Bench { world, mint, id }
    }

    fn write(&mut self, from: &str, to: &str, ad: bool, now: Moment) -> Result<Written, WriteError> {
        let message = UserMessage { from, to, text: "Hi", ad, kind: Kind::Text };
        self.world.user_writes(&mut self.mint, &message, now)
    }

    fn customer_writes(&mut self, now: Moment) -> String {
        self.write(CUSTOMER, BUSINESS, false, now).unwrap().wamid
    }

    fn answer(&mut self, now: Moment) -> Result<String, Refusal> {
        let to = Recipient::Phone(CUSTOMER.to_owned());
        let sent = self.world.business_writes(&mut self.mint, &self.id, (&to, "Hello"), now);
        sent.map(|(_, wamid)| wamid)
    }

    fn change(&mut self, verb: BlockVerb, user: &str, now: Moment) -> Result<(), UserRefusal> {
        let entry = BlockEntry::Phone(user.to_owned());
        let answer = self.world.change_blocklist(&self.id, verb, &[entry], now).unwrap();
        answer.failed.first().map_or(Ok(()), |(_, why)| Err(*why))
    }

    /// What Meta makes of a conversion that happened so many seconds before `NOW`.
    fn convert(&self, clid: &str, seconds_ago: u64) -> Result<(), Refusal> {
        let waba_id = self.world.numbers().remove(0).waba_id;
        let event = serde_json::json!({"event_name": "LeadSubmitted", "event_time": NOW.seconds() - seconds_ago,
            "action_source": "business_messaging", "messaging_channel": "whatsapp",
            "user_data": {"whatsapp_business_account_id": waba_id, "ctwa_clid": clid}});
        let event = serde_json::value::to_raw_value(&event).unwrap();
        let fields = [ConversionFields::read(0, &event).unwrap()];
        self.world.check_conversions(&waba_id, &fields, NOW)
    }

    /// When each message of the only chat was read, in seconds after `NOW`.
    fn read_after(&self) -> Vec<Option<u64>> {
        let rows = serde_json::to_value(self.world.message_rows(None, None)).unwrap();
        let second = |row: &serde_json::Value| {
            let at: jiff::Timestamp = row["read_at"].as_str()?.parse().unwrap();
            u64::try_from(at.as_microsecond()).ok().map(|us| (us - NOW.0) / SECOND)
        };
        rows.as_array().unwrap().iter().map(second).collect()
    }

    fn typing_at(&self, now: Moment) -> usize {
        self.world.typing_rows(None, None, now).len()
    }
}

fn after(us: u64) -> Moment {
    Moment(NOW.0 + us)
}

#[test]
fn a_read_mark_covers_what_came_before() {
    let mut bench = Bench::new();
    let first = bench.customer_writes(NOW);
    let second = bench.customer_writes(NOW);
    bench.answer(NOW).unwrap();
    let third = bench.customer_writes(NOW);
    let mut read = |wamid: &str, second: u64, expected: [Option<u64>; 4]| {
        bench.world.read(&bench.id, wamid, false, after(second * SECOND)).unwrap();
        assert_eq!(bench.read_after(), expected);
    };
    read(&second, 1, [Some(1), Some(1), None, None]);
    read(&first, 2, [Some(1), Some(1), None, None]);
    read(&third, 3, [Some(1), Some(1), None, Some(3)]);
    read(&third, 4, [Some(1), Some(1), None, Some(3)]);
}

#[test]
fn a_blocked_user_does_not_get_through() {
    let mut bench = Bench::new();
    bench.customer_writes(NOW);
    bench.change(BlockVerb::Block, CUSTOMER, NOW).unwrap();
    let lost = bench.customer_writes(after(20 * HOUR));
    assert!(bench.world.read(&bench.id, &lost, false, after(20 * HOUR)).is_err(), "it was never received");
    bench.change(BlockVerb::UnBlock, CUSTOMER, after(21 * HOUR)).unwrap();
    bench.answer(after(24 * HOUR - 1)).unwrap();
    assert_eq!(bench.answer(after(24 * HOUR)), Err(Refusal::ReEngagement), "a lost message opens no window");
    let found = bench.customer_writes(after(25 * HOUR));
    bench.answer(after(26 * HOUR)).unwrap();
    bench.world.read(&bench.id, &found, false, after(26 * HOUR)).unwrap();
    assert_eq!(bench.read_after(), [Some(26 * 3_600), None, None, Some(26 * 3_600), None]);
}

#[test]
fn typing_ends_by_itself_or_with_an_answer() {
    let mut bench = Bench::new();
    let wamid = bench.customer_writes(NOW);
    assert_eq!(bench.typing_at(NOW), 0);
    bench.world.read(&bench.id, &wamid, true, NOW).unwrap();
    assert_eq!(bench.typing_at(after(25 * SECOND - 1)), 1);
    assert_eq!(bench.typing_at(after(25 * SECOND)), 0);
    bench.world.read(&bench.id, &wamid, true, NOW).unwrap();
    bench.answer(after(SECOND)).unwrap();
    assert_eq!(bench.typing_at(after(2 * SECOND)), 0);
}

#[test]
fn who_can_write_to_whom() {
    let mut bench = Bench::new();
    let mut check = |from: &str, to: &str, expected: Result<(), WriteError>| {
        assert_eq!(bench.write(from, to, false, NOW).map(|_| ()), expected, "{from} {to}");
    };
    check(CUSTOMER, BUSINESS, Ok(()));
    check("00316012345678", "00316098765432", Ok(()));
    check("316012345678", "316098765432", Ok(()));
    check("0612345678", BUSINESS, Err(WriteError::From));
    check(CUSTOMER, "shop", Err(WriteError::To));
    check(BUSINESS, BUSINESS, Err(WriteError::FromBusiness(BUSINESS.to_owned())));
    let unknown =
        WriteError::UnknownBusiness { number: "+31600000000".to_owned(), known: vec![BUSINESS.to_owned()] };
    assert_eq!(unknown.to_string(), "to: no business has the number +31600000000; there is +316098765432");
    check(CUSTOMER, "+31600000000", Err(unknown));
    let message = UserMessage { from: CUSTOMER, to: BUSINESS, text: "", ad: false, kind: Kind::Text };
    assert_eq!(bench.world.user_writes(&mut bench.mint, &message, NOW), Err(WriteError::Text));
}

#[test]
fn only_an_ad_makes_a_click() {
    let mut bench = Bench::new();
    assert_eq!(bench.write(CUSTOMER, BUSINESS, false, NOW).unwrap().ctwa_clid, None);
    let first = bench.write(CUSTOMER, BUSINESS, true, NOW).unwrap().ctwa_clid.unwrap();
    let second = bench.write(CUSTOMER, BUSINESS, true, NOW).unwrap().ctwa_clid.unwrap();
    assert_ne!(first, second);
}

#[test]
fn what_a_blocked_user_wrote_may_arrive_later() {
    let told = |arrives: bool| {
        let mut bench = Bench::new();
        bench.world.switches.blocked_messages_arrive_later = arrives;
        let address = || Webhook { url: "http://127.0.0.1:1/".to_owned(), verify_token: String::new() };
        bench.world.set_webhook(&Phone::lenient(BUSINESS).unwrap(), Some(address()));
        bench.customer_writes(NOW);
        bench.change(BlockVerb::Block, CUSTOMER, NOW).unwrap();
        let withheld = bench.write(CUSTOMER, BUSINESS, true, after(20 * HOUR)).unwrap();
        bench.world.take_notices();
        bench.change(BlockVerb::UnBlock, CUSTOMER, after(21 * HOUR)).unwrap();
        bench.change(BlockVerb::UnBlock, CUSTOMER, after(21 * HOUR)).unwrap();
        let notices = bench.world.take_notices();
        assert!(notices.iter().all(|notice| notice.notification.wamid == withheld.wamid));
        let can_be_read = bench.world.read(&bench.id, &withheld.wamid, false, after(22 * HOUR)).is_ok();
        let times: Vec<u64> = notices.iter().map(|notice| notice.notification.at_seconds).collect();
        (times, can_be_read, bench.answer(after(25 * HOUR)).is_ok())
    };
    assert_eq!(told(false), (vec![], false, false));
    assert_eq!(told(true), (vec![after(20 * HOUR).seconds()], true, true), "and it opens the window");
}

#[test]
fn an_ad_whose_clicks_have_no_id() {
    let mut bench = Bench::new();
    bench.world.switches.ad_click_ids = false;
    let address = Webhook { url: "http://127.0.0.1:1/".to_owned(), verify_token: String::new() };
    bench.world.set_webhook(&Phone::lenient(BUSINESS).unwrap(), Some(address));
    assert_eq!(bench.write(CUSTOMER, BUSINESS, true, NOW).unwrap().ctwa_clid, None);
    let [notice] = bench.world.take_notices().try_into().unwrap();
    let Happening::Text { referral: Some(referral), .. } = notice.notification.happening else {
        panic!("the notification has a referral");
    };
    assert_eq!(referral.ctwa_clid, None);
    let rows = serde_json::to_value(bench.world.message_rows(None, None)).unwrap();
    assert_eq!((&rows[0]["ad"], &rows[0]["ctwa_clid"]), (&true.into(), &serde_json::Value::Null));
}

#[test]
fn a_list_is_full_at_64_000() {
    let mut bench = Bench::new();
    let number = |n: usize| format!("+3170{n:08}");
    for n in 0..=BLOCKLIST_MAX {
        bench.write(&number(n), BUSINESS, false, NOW).unwrap();
    }
    for n in 0..BLOCKLIST_MAX {
        bench.change(BlockVerb::Block, &number(n), NOW).unwrap();
    }
    assert_eq!(bench.change(BlockVerb::Block, &number(BLOCKLIST_MAX), NOW), Err(UserRefusal::ListFull));
    bench.change(BlockVerb::UnBlock, &number(7), NOW).unwrap();
    bench.change(BlockVerb::Block, &number(BLOCKLIST_MAX), NOW).unwrap();
    assert_eq!(bench.world.blocked_count(None), BLOCKLIST_MAX);
    let wide = BlocklistQuery { limit: Some(5_000), ..BlocklistQuery::default() };
    assert_eq!(bench.world.blocklist_page(&bench.id, &wide).unwrap().rows.len(), 1_000);
}

#[test]
fn a_month_is_thirty_days() {
    let mut bench = Bench::new();
    bench.world.switches.read_after_30_days = false;
    let wamid = bench.customer_writes(NOW);
    let mut read = |us: u64| bench.world.read(&bench.id, &wamid, false, after(us)).is_ok();
    assert!(read(720 * HOUR));
    assert!(!read(720 * HOUR + 1));
}

#[test]
fn an_event_is_too_old_after_seven_days() {
    let mut bench = Bench::new();
    let clid = bench.write(CUSTOMER, BUSINESS, true, NOW).unwrap().ctwa_clid.unwrap();
    assert_eq!(bench.convert(&clid, 604_800), Ok(()));
    assert_eq!(bench.convert(&clid, 604_801), Err(Refusal::conversion(0, ConversionRefusal::TooOld)));
}

#[test]
fn the_version_of_a_list_never_repeats() {
    let mut bench = Bench::new();
    bench.customer_writes(NOW);
    let mut versions = Vec::new();
    for _ in 0..3 {
        // The clock stands still, and still every change makes a version.
        bench.change(BlockVerb::Block, CUSTOMER, NOW).unwrap();
        let page = bench.world.blocklist_page(&bench.id, &Default::default()).unwrap();
        versions.push(page.cursors.unwrap().0.version_us);
        bench.change(BlockVerb::UnBlock, CUSTOMER, NOW).unwrap();
    }
    assert_eq!(versions, [NOW.0, NOW.0 + 2, NOW.0 + 4]);
}

/// A world with something in every corner.
fn full() -> Bench {
    let mut bench = Bench::new();
    let wamid = bench.customer_writes(NOW);
    bench.write("+14155559876", BUSINESS, true, NOW).unwrap();
    bench.answer(NOW).unwrap();
    bench.world.read(&bench.id, &wamid, true, NOW).unwrap();
    bench.change(BlockVerb::Block, CUSTOMER, NOW).unwrap();
    bench.customer_writes(NOW);
    let info = bench.world.numbers().remove(0);
    let batch = laneway_wire::graph::server::ConversionBatch {
        events: vec![serde_json::value::RawValue::from_string(r#"{"value":12.60}"#.to_owned()).unwrap()],
        test_event_code: Some("TEST1".to_owned()),
    };
    bench.world.record_conversions(&info.dataset_id, batch, NOW);
    bench
}

#[test]
fn a_world_survives_being_stored() {
    let bench = full();
    let state = State { starts: 3, clock_offset_ms: 90_000_000, requests: 17, world: bench.world };
    let bytes = state.encode();
    let mut again = State::decode(&bytes).unwrap();
    assert_eq!(String::from_utf8(again.encode()).unwrap(), String::from_utf8(bytes).unwrap());
    assert_eq!((again.starts, again.clock_offset_ms, again.requests), (3, 90_000_000, 17));

    // The indexes are back: everything can still be found and is still judged as before.
    let (before, after_loading) = (&state.world, &mut again.world);
    assert_eq!(before.numbers(), after_loading.numbers());
    assert_eq!(before.message_count(None, None), after_loading.message_count(None, None));
    let info = &before.numbers()[0];
    assert_eq!(after_loading.waba_of_token(&info.access_token), Some(info.waba_id.as_str()));
    assert_eq!(after_loading.conversion_count(Some(&info.dataset_id)), 1);
    let rows = before.message_rows(None, None);
    assert_eq!(rows, after_loading.message_rows(None, None));
    let mut loaded = Bench { world: again.world, mint: Mint::new(1, 2), id: bench.id };
    assert_eq!(loaded.answer(NOW), Err(Refusal::RecipientBlocked));
    loaded.change(BlockVerb::UnBlock, CUSTOMER, NOW).unwrap();
    loaded.answer(after(24 * HOUR - 1)).unwrap();
    assert_eq!(loaded.answer(after(24 * HOUR)), Err(Refusal::ReEngagement));
}

#[test]
fn an_id_of_the_same_seed_is_not_minted_twice() {
    let mut bench = full();
    // The source of ids starts over, as when a world is imported into a sandbox of the same seed.
    bench.mint = Mint::new(1, 1);
    let count = bench.world.message_count(None, None);
    bench.customer_writes(NOW);
    bench.world.add_number(&mut bench.mint, &NewNumber::default()).unwrap();
    let state = State { starts: 1, clock_offset_ms: 0, requests: 0, world: bench.world };
    let again = State::decode(&state.encode()).unwrap();
    assert_eq!(again.world.message_count(None, None), count + 1);
    assert_eq!(again.world.number_count(), 2);
}

#[test]
fn a_reset_keeps_who_exists() {
    let mut bench = full();
    let numbers = bench.world.numbers();
    let clid = bench.write(CUSTOMER, BUSINESS, true, NOW).unwrap().ctwa_clid.unwrap();
    assert_eq!(bench.convert(&clid, 0), Ok(()));
    let token = TokenName::Number(BUSINESS.to_owned());
    bench.world.revoke(&token, true).unwrap();
    bench.world.reset();
    assert!(bench.world.waba_of_token(&numbers[0].access_token).is_some(), "tokens are restored");
    assert_eq!(bench.world.numbers(), numbers);
    assert_eq!(bench.world.message_count(None, None), 0);
    assert_eq!(bench.world.blocked_count(None), 0);
    assert_eq!(bench.world.conversion_count(None), 0);
    let forgotten = Refusal::conversion(0, ConversionRefusal::InvalidClick);
    assert_eq!(bench.convert(&clid, 0), Err(forgotten));
    bench.customer_writes(NOW);
    bench.answer(NOW).unwrap();
}

#[track_caller]
fn check_refused(state: &str, says: &str) {
    let error = State::decode(state.as_bytes()).unwrap_err();
    let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
    assert!(format!("{error}: {cause}").contains(says), "{error}: {cause}");
}

#[test]
fn what_is_no_state() {
    let world = serde_json::to_string(&full().world).unwrap();
    let head =
        r#"{"format":"laneway-sandbox","version":1,"starts":1,"clock_offset_ms":0,"requests":0,"world":"#;
    let good = format!("{head}{world}}}");
    State::decode(good.as_bytes()).unwrap();
    check_refused("", "it is no sandbox state");
    check_refused("{}", "it is no sandbox state");
    check_refused(&good[..good.len() - 1], "it is no sandbox state");
    check_refused(&good.replace("laneway-sandbox", "other"), "its format is not laneway-sandbox");
    check_refused(&good.replace(r#""version":1"#, r#""version":2"#), "it has version 2");
    check_refused(&good.replace(r#""phone":"316"#, r#""phone":"x"#), "a phone number has");
    let id = &full().world.numbers()[0].waba_id.clone();
    let orphan = good.replace(&format!(r#""waba_id":"{id}""#), r#""waba_id":"1""#);
    check_refused(&orphan, "a number belongs to no account");
    let wamid = full().world.numbers.values().next().unwrap().messages.keys().next().unwrap().clone();
    let other = full().world.numbers.values().next().unwrap().messages.keys().nth(1).unwrap().clone();
    check_refused(&good.replace(&*other, &wamid), "a message is there twice");
    let newer = State::decode(good.replace(r#""version":1"#, r#""version":9"#).as_bytes());
    assert!(matches!(newer, Err(StateError::Newer { found: 9 })));
}

#[test]
fn what_was_read_and_who_moved_outlasts_a_restart() {
    const MOVED: &str = "+316011111111";
    let mut bench = Bench::new();
    bench.customer_writes(NOW);
    let first = bench.answer(NOW).unwrap();
    assert_eq!(bench.world.user_reads(CUSTOMER, BUSINESS, NOW), Ok(vec![first]));
    let second = bench.answer(NOW).unwrap();
    let phone = |text| Phone::lenient(text).unwrap();
    let moved = bench.world.change_number(&mut bench.mint, &phone(CUSTOMER), &phone(MOVED), NOW);
    assert_eq!(moved, Ok(1));
    assert_eq!(bench.world.user_reads(CUSTOMER, BUSINESS, NOW), Ok(vec![]), "nobody has that number now");

    let state = State { starts: 1, clock_offset_ms: 0, requests: 0, world: bench.world };
    bench.world = State::decode(&state.encode()).unwrap().world;
    assert_eq!(
        bench.world.user_reads(MOVED, BUSINESS, NOW),
        Ok(vec![second]),
        "and nothing that was read before"
    );
    assert_eq!(bench.world.user_reads(MOVED, BUSINESS, NOW), Ok(vec![]));
    assert_eq!(bench.change(BlockVerb::Block, MOVED, NOW), Ok(()), "the window moved along");
    assert_eq!(bench.change(BlockVerb::Block, CUSTOMER, NOW), Err(UserRefusal::ReEngagement));
    let click = bench.write(MOVED, BUSINESS, true, NOW).unwrap();
    assert_eq!(bench.world.take_notices(), [], "without a webhook nobody is told");
    assert!(click.ctwa_clid.is_some());
}
