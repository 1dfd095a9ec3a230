//! Countries, and the ones for which CM.com's page closes Meta conversions.

use std::fmt;

/// A country by its ISO 3166-1 alpha-2 code.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Country([u8; 2]);

/// Every code that ISO 3166-1 assigns.
const CODES: &str = "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS \
    BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI \
    FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR \
    IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM \
    MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT \
    PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM \
    TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW";

/// The European Union's 27 members, the United Kingdom and Japan.
const CONVERSIONS_RESTRICTED: &str =
    "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK GB JP";

fn holds(codes: &str, code: &str) -> bool {
    codes.split(' ').any(|known| known == code)
}

impl Country {
    /// Reads a code in any letter case. `UK`, which ISO reserves but does not assign, is read as `GB`.
    pub fn parse(text: &str) -> Option<Self> {
        let upper = text.to_ascii_uppercase();
        let code = if upper == "UK" { "GB" } else { upper.as_str() };
        let bytes: [u8; 2] = code.as_bytes().try_into().ok()?;
        holds(CODES, code).then_some(Self(bytes))
    }

    /// The two capital letters.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("a country is two ASCII letters")
    }

    /// Whether Meta conversions are closed to a business based there.
    ///
    /// Source: CM.com's events page, "this feature is only available if you are based outside the UK, Japan and the
    /// European Union". Meta's own pages do not say so, and what Meta answers there is unknown; this is why
    /// `allow_restricted_country` exists. Only the member states' own codes count: a territory with a code of its own
    /// (such as `GF` or `AX`) is left to Meta, because the page does not prove that it is meant.
    pub fn conversions_restricted(self) -> bool {
        holds(CONVERSIONS_RESTRICTED, self.as_str())
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_in_any_letter_case() {
        for (text, expected) in [
            ("US", Some("US")),
            ("nl", Some("NL")),
            ("UK", Some("GB")),
            ("uk", Some("GB")),
            ("GB", Some("GB")),
            ("AD", Some("AD")),
            ("ZW", Some("ZW")),
            ("EU", None),
            ("XX", None),
            ("", None),
            (" ", None),
            ("U", None),
            ("USA", None),
            ("D ", None),
            ("É", None),
        ] {
            assert_eq!(Country::parse(text).map(|c| c.to_string()).as_deref(), expected, "{text:?}");
        }
    }

    #[test]
    fn the_lists_are_whole() {
        let codes: Vec<_> = CODES.split(' ').collect();
        assert_eq!(codes.len(), 249);
        assert!(codes.windows(2).all(|pair| pair[0] < pair[1]), "sorted, each once");
        let restricted: Vec<_> = codes
            .iter()
            .filter(|code| Country::parse(code).expect("every code is read").conversions_restricted())
            .collect();
        assert_eq!(restricted.len(), 27 + 2);
    }

    #[test]
    fn restricted_are_the_union_the_united_kingdom_and_japan() {
        for (code, restricted) in [
            ("DE", true),
            ("HR", true),
            ("UK", true),
            ("JP", true),
            ("US", false),
            ("NO", false),
            ("CH", false),
        ] {
            assert_eq!(Country::parse(code).unwrap().conversions_restricted(), restricted, "{code}");
        }
    }
}
