//! Currencies: which codes there are, and which was probably meant.

use laneway_model::Currency;

/// The codes of ISO 4217's list of active currencies (as of February 2026), without XTS and XXX, which stand for no
/// currency; and ANG, BGN and ZWL, which were withdrawn since 2024: orders in them are still about, and nothing proves
/// that Meta refuses them.
const CODES: &str = "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BOV BRL BSD BTN BWP BYN \
    BZD CAD CDF CHE CHF CHW CLF CLP CNY COP COU CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP \
    GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR \
    LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP \
    PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY \
    TTD TWD TZS UAH UGX USD USN UYI UYU UYW UZS VED VES VND VUV WST XAD XAF XAG XAU XBA XBB XBC XBD XCD XCG XDR XOF XPD \
    XPF XPT XSU XUA YER ZAR ZMW ZWG ZWL";

/// What people write for a currency without knowing its code.
const ALIASES: [(&str, &str); 16] = [
    ("$", "USD"),
    ("US", "USD"),
    ("US$", "USD"),
    ("DOLLAR", "USD"),
    ("DOLLARS", "USD"),
    ("€", "EUR"),
    ("EUROS", "EUR"),
    ("£", "GBP"),
    ("UKP", "GBP"),
    ("¥", "JPY"),
    ("YEN", "JPY"),
    ("RMB", "CNY"),
    ("YUAN", "CNY"),
    ("₹", "INR"),
    ("R$", "BRL"),
    ("NTD", "TWD"),
];

/// Whether the code is one of the list.
pub(super) fn is_listed(currency: Currency) -> bool {
    CODES.split(' ').any(|code| code == currency.as_str())
}

/// The code that was probably meant: the only one that a single slip turns into the given text.
pub(super) fn nearest(given: &str) -> Option<&'static str> {
    let given = given.trim().to_uppercase();
    let alias = ALIASES.iter().find(|(alias, _)| *alias == given).map(|(_, code)| *code);
    if let Some(code) = alias.or_else(|| CODES.split(' ').find(|code| *code == given)) {
        return Some(code);
    }
    // One slip makes at most four characters of three; longer texts need not be compared.
    if given.chars().count() > 4 {
        return None;
    }
    let mut near = CODES.split(' ').filter(|code| strsim::osa_distance(&given, code) <= 1);
    near.next().filter(|_| near.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_whole() {
        let codes: Vec<&str> = CODES.split(' ').collect();
        assert_eq!(codes.len(), 178 - 2 + 3);
        assert!(codes.windows(2).all(|pair| pair[0] < pair[1]), "sorted, each once");
        assert!(codes.iter().all(|code| Currency::parse(code).is_some_and(|c| c.as_str() == *code)));
        assert!(ALIASES.iter().all(|(_, code)| codes.contains(code)));
    }

    #[test]
    fn listed() {
        for (code, expected) in [
            ("EUR", true),
            ("usd", true),
            ("XCG", true),
            ("BGN", true),
            ("DEM", false),
            ("XXX", false),
            ("ZZZ", false),
        ] {
            assert_eq!(is_listed(Currency::parse(code).unwrap()), expected, "{code}");
        }
    }

    #[test]
    fn near_misses() {
        for (given, expected) in [
            ("eur0", Some("EUR")),
            ("Euro", Some("EUR")),
            ("€", Some("EUR")),
            ("US", Some("USD")),
            (" EUR ", Some("EUR")),
            ("JPN", Some("JPY")),
            ("UDS", None),
            ("XYZ", None),
            ("", None),
            ("bitcoin", None),
        ] {
            assert_eq!(nearest(given), expected, "{given:?}");
        }
        assert_eq!(nearest(&"E".repeat(60_000)), None);
    }
}
