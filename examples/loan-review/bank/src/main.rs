//! `cargo run -p example-bank`: the bank on a port of this machine, until it is stopped.

use example_bank::{Account, Bank, HOST};

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::print_stdout, reason = "it is a program")]
async fn main() -> anyhow::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:0".to_owned()).parse()?;
    let account = Account {
        token: "demo-token".to_owned(),
        holder: "Jane Q. Public".to_owned(),
        number: "000123456789".to_owned(),
        annual_income_cents: 8_412_000,
    };
    let bank = Bank::open(address).await?;
    bank.add(account);
    println!("{} is at {}; the token is demo-token", bank.statement_url(), bank.address);
    println!("(let {HOST} lead there, and trust this authority)\n{}", bank.authority_pem);
    std::future::pending::<()>().await;
    Ok(())
}
