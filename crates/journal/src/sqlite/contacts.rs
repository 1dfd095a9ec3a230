//! Contacts, and the touches that are not folded into them yet.
//!
//! Version 1 of a touch: a byte for its kind (1 message in without its id, 2 click, 3 blocked, 4 identified, 5 message
//! in, 6 formerly, 7 became), then its fields in the order in which [`Touch`] declares them. Version 2 of a contact: its
//! fields from `phone` on in the order in which [`Contact`] declares them; a person is written as a text, as is the id of a
//! message. Version 1 had no `formerly`, `became` and `messages`, and no instants with `phone` and `bsuid`; it is still
//! read.

use laneway_model::{
    Bsuid, Click, Contact, CtwaClid, MessageSeen, Person, PhoneNumber, Timestamp, Touch, Wamid,
};
use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, Row, params};

use super::checksum::{check, execute};
use super::failure::Context;
use super::schema::{CONTACTS, TOUCHES, signed, unsigned};
use crate::binary::{Decoder, Encoder, Problem};
use crate::{ContactTouch, Error};

const TOUCH_VERSION: u8 = 1;
const CONTACT_VERSION: u8 = 2;
/// The version of contacts that is only read.
const CONTACT_VERSION_1: u8 = 1;

/// Where a contact is found: who, and in whose eyes.
pub(crate) type Place = (Person, PhoneNumber);

/// A person as SQLite stores them: a phone number as a number, a business-scoped id as a text.
pub(crate) fn person_value(person: &Person) -> ToSqlOutput<'_> {
    match person {
        Person::Phone(number) => ToSqlOutput::Owned(Value::Integer(signed(number.as_u64()))),
        Person::Bsuid(id) => ToSqlOutput::Borrowed(ValueRef::Text(id.as_str().as_bytes())),
    }
}

/// The person behind a stored value.
pub(crate) fn person_of(value: ValueRef<'_>) -> Result<Option<Person>, Error> {
    let person = match value {
        ValueRef::Null => return Ok(None),
        ValueRef::Integer(digits) => PhoneNumber::from_u64(unsigned(digits)).map(Person::Phone),
        ValueRef::Text(text) => {
            std::str::from_utf8(text).ok().and_then(|text| Bsuid::parse(text).ok()).map(Person::Bsuid)
        }
        ValueRef::Real(_) | ValueRef::Blob(_) => None,
    };
    person.map(Some).ok_or(Error::damaged("a person has no valid form"))
}

/// The business number behind a stored value.
pub(crate) fn business_of(digits: i64) -> Result<PhoneNumber, Error> {
    PhoneNumber::from_u64(unsigned(digits)).ok_or(Error::damaged("a business number has no valid form"))
}

/// Writes a touch; it is folded later.
pub(crate) fn insert_touch(connection: &Connection, touch: &ContactTouch) -> rusqlite::Result<()> {
    let mut statement = connection
        .prepare_cached("INSERT INTO touches (person, business, body, checksum) VALUES (?1, ?2, ?3, ?4)")?;
    let values =
        params![person_value(&touch.person), signed(touch.business.as_u64()), encode_touch(&touch.touch)];
    execute(&mut statement, TOUCHES, values).map(|_| ())
}

/// The person, the business number and the body in a row of a statement that reads touches or contacts.
fn checked<'a>(row: &'a Row<'_>, table: &str) -> Result<(Person, PhoneNumber, &'a [u8]), Error> {
    let doing = "reading a contact";
    check(row, table, 3)?;
    let person = person_of(row.get_ref(0).doing(doing)?)?.ok_or(Error::damaged("a contact has no person"))?;
    let business = business_of(row.get(1).doing(doing)?)?;
    let body = row.get_ref(2).doing(doing)?.as_blob().map_err(|_| Error::damaged("a contact has no body"))?;
    Ok((person, business, body))
}

/// What is known of a person, folded or not.
pub(crate) fn load(
    connection: &Connection,
    business: PhoneNumber,
    person: &Person,
) -> Result<Option<Contact>, Error> {
    let doing = "reading a contact";
    let folded = load_folded(connection, business, person)?;
    let mut statement = connection
        .prepare_cached(
            "SELECT person, business, body, checksum FROM touches WHERE person = ?1 AND business = ?2 ORDER BY id",
        )
        .doing(doing)?;
    let mut rows = statement.query(params![person_value(person), signed(business.as_u64())]).doing(doing)?;
    let mut contact = folded;
    while let Some(row) = rows.next().doing(doing)? {
        let (_, _, body) = checked(row, TOUCHES)?;
        let touch = decode_touch(body).map_err(Error::damaged)?;
        contact.get_or_insert_with(|| Contact::new(business, person.clone())).fold(&touch);
    }
    Ok(contact)
}

fn load_folded(
    connection: &Connection,
    business: PhoneNumber,
    person: &Person,
) -> Result<Option<Contact>, Error> {
    let doing = "reading a contact";
    let mut statement = connection
        .prepare_cached(
            "SELECT person, business, body, checksum FROM contacts WHERE person = ?1 AND business = ?2",
        )
        .doing(doing)?;
    let mut rows = statement.query(params![person_value(person), signed(business.as_u64())]).doing(doing)?;
    let Some(row) = rows.next().doing(doing)? else { return Ok(None) };
    let (_, _, body) = checked(row, CONTACTS)?;
    decode_contact(business, person, body).map(Some).map_err(Error::damaged)
}

/// Every business number that knows the person.
pub(crate) fn businesses(connection: &Connection, person: &Person) -> Result<Vec<PhoneNumber>, Error> {
    let doing = "listing contacts";
    let mut statement = connection
        .prepare_cached("SELECT business FROM contacts WHERE person = ?1 UNION SELECT business FROM touches WHERE person = ?1")
        .doing(doing)?;
    let found = statement.query_map([person_value(person)], |row| row.get::<_, i64>(0)).doing(doing)?;
    found.map(|digits| business_of(digits.doing(doing)?)).collect()
}

/// Removes what a business number knows of a person; gives the number of touches that were not folded yet.
pub(crate) fn remove(
    connection: &Connection,
    business: PhoneNumber,
    person: &Person,
) -> rusqlite::Result<usize> {
    let business = signed(business.as_u64());
    connection
        .prepare_cached("DELETE FROM contacts WHERE person = ?1 AND business = ?2")?
        .execute(params![person_value(person), business])?;
    connection
        .prepare_cached("DELETE FROM touches WHERE person = ?1 AND business = ?2")?
        .execute(params![person_value(person), business])
}

/// A page of persons and of the business numbers that know them, in the order of the table, after that place; at most
/// `limit`. Those who are not folded yet are not among them: [`unfolded`].
pub(crate) fn page(
    connection: &Connection,
    after: Option<&(Person, PhoneNumber)>,
    limit: usize,
) -> Result<Vec<(Person, PhoneNumber)>, Error> {
    let doing = "listing contacts";
    let mut statement = connection
        .prepare_cached(
            "SELECT person, business FROM contacts WHERE (person, business) > (?1, ?2)
             ORDER BY person, business LIMIT ?3",
        )
        .doing(doing)?;
    // Numbers come before texts, and no number is negative.
    let (person, business) = match after {
        Some((person, business)) => (person_value(person), signed(business.as_u64())),
        None => (ToSqlOutput::Owned(Value::Integer(-1)), -1),
    };
    let mut rows = statement.query(params![person, business, limit as i64]).doing(doing)?;
    let mut page = Vec::new();
    while let Some(row) = rows.next().doing(doing)? {
        let person =
            person_of(row.get_ref(0).doing(doing)?)?.ok_or(Error::damaged("a contact has no person"))?;
        page.push((person, business_of(row.get(1).doing(doing)?)?));
    }
    Ok(page)
}

/// Everyone of whom something is not folded yet, with the business numbers that know it; they are few.
pub(crate) fn all_unfolded(connection: &Connection) -> Result<Vec<(Person, PhoneNumber)>, Error> {
    let doing = "listing contacts";
    let mut statement =
        connection.prepare_cached("SELECT DISTINCT person, business FROM touches").doing(doing)?;
    let mut rows = statement.query([]).doing(doing)?;
    let mut contacts = Vec::new();
    while let Some(row) = rows.next().doing(doing)? {
        let business = business_of(row.get(1).doing(doing)?)?;
        contacts.extend(person_of(row.get_ref(0).doing(doing)?)?.map(|person| (person, business)));
    }
    Ok(contacts)
}

/// Everyone of whom a business number knows something that is not folded yet.
pub(crate) fn unfolded(connection: &Connection, business: PhoneNumber) -> Result<Vec<Person>, Error> {
    let doing = "listing contacts";
    let mut statement =
        connection.prepare_cached("SELECT DISTINCT person FROM touches WHERE business = ?1").doing(doing)?;
    let mut rows = statement.query([signed(business.as_u64())]).doing(doing)?;
    let mut persons = Vec::new();
    while let Some(row) = rows.next().doing(doing)? {
        persons.extend(person_of(row.get_ref(0).doing(doing)?)?);
    }
    Ok(persons)
}

/// Folds the oldest touches into their contacts, all touches of one contact at once; gives how many were folded.
///
/// A touch or a contact that cannot be read is reported and left out: it must not keep all others from being folded,
/// and the notification that told it is kept for itself.
pub(crate) fn fold(connection: &Connection, limit: usize) -> Result<usize, Error> {
    let doing = "folding contacts";
    let mut statement = connection
        .prepare_cached(
            "SELECT person, business, body, checksum, id FROM (SELECT * FROM touches ORDER BY id LIMIT ?1)
             ORDER BY person, business, id",
        )
        .doing(doing)?;
    let mut rows = statement.query([limit as i64]).doing(doing)?;
    let (mut folded, mut last) = (0, 0);
    let mut contact: Option<Contact> = None;
    while let Some(row) = rows.next().doing(doing)? {
        folded += 1;
        last = last.max(row.get::<_, i64>(4).doing(doing)?);
        match touch_of(row) {
            Ok((person, business, touch)) => {
                let same = contact.as_ref().is_some_and(|c| c.person == person && c.business == business);
                if !same {
                    store(connection, contact.take())?;
                    contact = Some(known_or_new(connection, business, person));
                }
                if let Some(contact) = &mut contact {
                    contact.fold(&touch);
                }
            }
            Err(problem) => tracing::error!(%problem, "a touch cannot be read and is left out"),
        }
    }
    store(connection, contact)?;
    drop(rows);
    connection
        .prepare_cached("DELETE FROM touches WHERE id <= ?1")
        .and_then(|mut statement| statement.execute([last]))
        .doing(doing)?;
    Ok(folded)
}

fn touch_of(row: &Row<'_>) -> Result<(Person, PhoneNumber, Touch), Error> {
    let (person, business, body) = checked(row, TOUCHES)?;
    Ok((person, business, decode_touch(body).map_err(Error::damaged)?))
}

fn known_or_new(connection: &Connection, business: PhoneNumber, person: Person) -> Contact {
    match load_folded(connection, business, &person) {
        Ok(Some(contact)) => contact,
        Ok(None) => Contact::new(business, person),
        Err(problem) => {
            tracing::error!(%problem, "a contact cannot be read and begins anew");
            Contact::new(business, person)
        }
    }
}

fn store(connection: &Connection, contact: Option<Contact>) -> Result<(), Error> {
    let Some(contact) = contact else { return Ok(()) };
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO contacts (person, business, body, checksum) VALUES (?1, ?2, ?3, ?4)",
        )
        .and_then(|mut statement| {
            let business = signed(contact.business.as_u64());
            let values = params![person_value(&contact.person), business, encode_contact(&contact)];
            execute(&mut statement, CONTACTS, values)
        })
        .doing("folding contacts")?;
    Ok(())
}

fn encode_click(body: &mut Encoder, click: &Click) {
    body.text(click.id.as_str());
    body.instant(click.at);
    body.option(click.ad_id.as_deref(), Encoder::text);
    body.option(click.headline.as_deref(), Encoder::text);
}

fn decode_click(body: &mut Decoder<'_>) -> Result<Click, Problem> {
    Ok(Click {
        id: CtwaClid::parse(body.text()?).map_err(|_| "the click id has no valid form")?,
        at: body.instant()?,
        ad_id: body.option(Decoder::text)?.map(str::to_owned),
        headline: body.option(Decoder::text)?.map(str::to_owned),
    })
}

fn decode_phone(body: &mut Decoder<'_>) -> Result<PhoneNumber, Problem> {
    PhoneNumber::from_u64(body.number()?).ok_or("the number has no valid form")
}

fn decode_bsuid(body: &mut Decoder<'_>) -> Result<Bsuid, Problem> {
    Bsuid::parse(body.text()?).map_err(|_| "the business-scoped id has no valid form")
}

fn encode_touch(touch: &Touch) -> Vec<u8> {
    let mut body = Encoder::versioned(TOUCH_VERSION);
    match touch {
        Touch::MessageIn { at, id: None } => {
            body.byte(1);
            body.instant(*at);
        }
        Touch::MessageIn { at, id: Some(id) } => {
            body.byte(5);
            body.instant(*at);
            body.text(id.as_str());
        }
        Touch::Clicked(click) => {
            body.byte(2);
            encode_click(&mut body, click);
        }
        Touch::Blocked { blocked, at } => {
            body.byte(3);
            body.byte(u8::from(*blocked));
            body.instant(*at);
        }
        Touch::Identified { phone, bsuid, at } => {
            body.byte(4);
            body.number(phone.as_u64());
            body.text(bsuid.as_str());
            body.instant(*at);
        }
        Touch::Formerly { person, at } => {
            body.byte(6);
            encode_person(&mut body, person, *at);
        }
        Touch::Became { person, at } => {
            body.byte(7);
            encode_person(&mut body, person, *at);
        }
    }
    body.finish()
}

fn decode_touch(body: &[u8]) -> Result<Touch, Problem> {
    let mut body = Decoder::versioned(body, TOUCH_VERSION)?;
    let touch = match body.byte()? {
        1 => Touch::MessageIn { at: body.instant()?, id: None },
        2 => Touch::Clicked(decode_click(&mut body)?),
        3 => Touch::Blocked { blocked: body.flag()?, at: body.instant()? },
        4 => Touch::Identified {
            phone: decode_phone(&mut body)?,
            bsuid: decode_bsuid(&mut body)?,
            at: body.instant()?,
        },
        5 => Touch::MessageIn { at: body.instant()?, id: Some(decode_message_id(&mut body)?) },
        6 => {
            let (person, at) = decode_person(&mut body)?;
            Touch::Formerly { person, at }
        }
        7 => {
            let (person, at) = decode_person(&mut body)?;
            Touch::Became { person, at }
        }
        _ => return Err("the kind of a touch is not known"),
    };
    body.finish()?;
    Ok(touch)
}

fn encode_contact(contact: &Contact) -> Vec<u8> {
    let Contact {
        business: _,
        person: _,
        phone,
        bsuid,
        formerly,
        became,
        last_message_in,
        blocked,
        clicks,
        messages,
    } = contact;
    let mut body = Encoder::versioned(CONTACT_VERSION);
    body.option(*phone, |body, (phone, at)| {
        body.number(phone.as_u64());
        body.instant(at);
    });
    body.option(bsuid.as_ref(), |body, (bsuid, at)| {
        body.text(bsuid.as_str());
        body.instant(*at);
    });
    for person in [formerly, became] {
        body.option(person.as_ref(), |body, (person, at)| encode_person(body, person, *at));
    }
    body.option(*last_message_in, Encoder::instant);
    body.option(*blocked, |body, (blocked, at): (bool, Timestamp)| {
        body.byte(u8::from(blocked));
        body.instant(at);
    });
    body.number(clicks.len() as u64);
    for click in clicks {
        encode_click(&mut body, click);
    }
    body.number(messages.len() as u64);
    for MessageSeen { id, at } in messages {
        body.text(id.as_str());
        body.instant(*at);
    }
    body.finish()
}

fn decode_contact(business: PhoneNumber, person: &Person, bytes: &[u8]) -> Result<Contact, Problem> {
    if bytes.first() == Some(&CONTACT_VERSION_1) {
        return decode_contact_1(business, person, bytes);
    }
    let mut body = Decoder::versioned(bytes, CONTACT_VERSION)?;
    let mut contact = Contact::new(business, person.clone());
    contact.phone = body.option(|body| Ok((decode_phone(body)?, body.instant()?)))?;
    contact.bsuid = body.option(|body| Ok((decode_bsuid(body)?, body.instant()?)))?;
    contact.formerly = body.option(decode_person)?;
    contact.became = body.option(decode_person)?;
    decode_chat(&mut body, &mut contact)?;
    for _ in 0..body.number()? {
        contact.messages.push(MessageSeen { id: decode_message_id(&mut body)?, at: body.instant()? });
    }
    body.finish()?;
    Ok(contact)
}

/// What was told of number and id without an instant gives way to everything that is told with one.
fn decode_contact_1(business: PhoneNumber, person: &Person, bytes: &[u8]) -> Result<Contact, Problem> {
    const EARLIEST: Timestamp = Timestamp::from_millis(0);
    let mut body = Decoder::versioned(bytes, CONTACT_VERSION_1)?;
    let mut contact = Contact::new(business, person.clone());
    contact.phone = body.option(decode_phone)?.map(|phone| (phone, EARLIEST));
    contact.bsuid = body.option(decode_bsuid)?.map(|bsuid| (bsuid, EARLIEST));
    decode_chat(&mut body, &mut contact)?;
    body.finish()?;
    Ok(contact)
}

/// The fields that every version has in the same form.
fn decode_chat(body: &mut Decoder<'_>, contact: &mut Contact) -> Result<(), Problem> {
    contact.last_message_in = body.option(Decoder::instant)?;
    contact.blocked = body.option(|body| Ok((body.flag()?, body.instant()?)))?;
    for _ in 0..body.number()? {
        contact.clicks.push(decode_click(body)?);
    }
    Ok(())
}

fn encode_person(body: &mut Encoder, person: &Person, at: Timestamp) {
    body.text(&person.to_string());
    body.instant(at);
}

fn decode_person(body: &mut Decoder<'_>) -> Result<(Person, Timestamp), Problem> {
    let person = Person::parse(body.text()?).map_err(|_| "a person has no valid form")?;
    Ok((person, body.instant()?))
}

fn decode_message_id(body: &mut Decoder<'_>) -> Result<Wamid, Problem> {
    Wamid::parse(body.text()?).map_err(|_| "the message id has no valid form")
}

#[cfg(test)]
mod tests {
    use proptest::option::of;
    use proptest::prelude::*;

    use super::*;

    fn touches() -> impl Strategy<Value = Touch> {
        let at = || (0..=i64::MAX as u64).prop_map(Timestamp::from_millis);
        prop_oneof![
            (at(), of("[!-~]{1,20}"))
                .prop_map(|(at, id)| Touch::MessageIn { at, id: id.map(|id| Wamid::parse(&id).unwrap()) }),
            ("[A-Z]{2}[.][0-9a-z]{1,20}", at())
                .prop_map(|(id, at)| Touch::Formerly { person: Person::parse(&id).unwrap(), at }),
            (1_000_000_u64..1_000_000_000_000_000, at()).prop_map(|(phone, at)| Touch::Became {
                person: Person::Phone(PhoneNumber::from_u64(phone).unwrap()),
                at
            }),
            ("[!-~]{1,20}", at(), of(".*"), of(".*")).prop_map(|(id, at, ad_id, headline)| {
                Touch::Clicked(Click { id: CtwaClid::parse(&id).unwrap(), at, ad_id, headline })
            }),
            (any::<bool>(), at()).prop_map(|(blocked, at)| Touch::Blocked { blocked, at }),
            (1_000_000_u64..1_000_000_000_000_000, "[A-Z]{2}[.][0-9a-z]{1,20}", at()).prop_map(
                |(phone, bsuid, at)| Touch::Identified {
                    phone: PhoneNumber::from_u64(phone).unwrap(),
                    bsuid: Bsuid::parse(&bsuid).unwrap(),
                    at
                }
            ),
        ]
    }

    proptest! {
        #[test]
        fn touches_and_contacts_come_back(touches in proptest::collection::vec(touches(), 0..40)) {
            let business = PhoneNumber::parse("+316098765432").unwrap();
            let person = Person::parse("US.1").unwrap();
            let mut contact = Contact::new(business, person.clone());
            for touch in touches {
                prop_assert_eq!(&decode_touch(&encode_touch(&touch)).unwrap(), &touch);
                contact.fold(&touch);
            }
            prop_assert_eq!(decode_contact(business, &person, &encode_contact(&contact)).unwrap(), contact);
        }

        #[test]
        fn any_bytes_are_answered(mut body: Vec<u8>) {
            body.insert(0, TOUCH_VERSION);
            let _answered = decode_touch(&body);
            for version in [CONTACT_VERSION_1, CONTACT_VERSION] {
                body[0] = version;
                let _answered =
                    decode_contact(PhoneNumber::parse("1234567").unwrap(), &Person::parse("US.1").unwrap(), &body);
            }
        }
    }

    #[test]
    fn the_first_version_is_still_read() {
        let (phone, at) = (PhoneNumber::parse("+316012345678").unwrap(), Timestamp::from_secs(5));
        let mut body = Encoder::versioned(CONTACT_VERSION_1);
        body.option(Some(phone), |body, phone| body.number(phone.as_u64()));
        body.option(Some("US.1"), Encoder::text);
        body.option(Some(at), Encoder::instant);
        body.option(None::<u8>, Encoder::byte);
        body.number(0);
        let (business, person) =
            (PhoneNumber::parse("+316098765432").unwrap(), Person::parse("US.1").unwrap());
        let mut contact = decode_contact(business, &person, &body.finish()).unwrap();
        assert_eq!((contact.phone.unwrap().0, contact.last_message_in), (phone, Some(at)));
        let (phone, bsuid) = (PhoneNumber::parse("1234567").unwrap(), Bsuid::parse("US.0").unwrap());
        contact.fold(&Touch::Identified { phone, bsuid, at });
        assert_eq!(contact.phone, Some((phone, at)), "what is told with an instant counts");
    }
}
