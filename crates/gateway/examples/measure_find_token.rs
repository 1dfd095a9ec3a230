//! A measurement.
#![expect(clippy::disallowed_methods, clippy::print_stdout, reason = "a measurement")]
use laneway_gateway::config::*;
use laneway_model::AccountName;
fn main() {
    for (n, per) in [(10usize, 3usize), (1000, 3), (10_000, 3), (1, 30_000)] {
        let accounts: Vec<Account> = (0..n).map(|a| Account {
            name: AccountName::parse(&format!("a{a}")).unwrap(),
            tokens: (0..per).map(|t| Token { hash: token::hash(&format!("token-{a}-{t}")), scopes: Scopes::SEND }).collect(),
            country: None, allow_restricted_country: false, wabas: Vec::new(), open_access: false,
        }).collect();
        let mut config = Config::new("x".into());
        config.accounts = accounts.into_iter().collect();
        let presented: Vec<String> = (0..2000).map(|i| format!("token-{}-{}", i % n, i % per)).collect();
        let wrong: Vec<String> = (0..2000).map(|i| format!("wrong-{i}")).collect();
        for (what, list) in [("right", &presented), ("wrong", &wrong)] {
            let started = std::time::Instant::now();
            let mut found = 0usize;
            for token in list { found += usize::from(std::hint::black_box(config.find_token(std::hint::black_box(token))).is_some()); }
            println!("{n} accounts x {per}: {what} found {found}: {:?} each", started.elapsed() / 2000);
        }
    }
}
