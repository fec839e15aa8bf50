//! What statements cost must not depend on how much history there is, with or without SQLite's statistics.

use rusqlite::{Connection, StatementStatus, params_from_iter, types::Value};

use crate::{Settings, reader, schema, writer::sql};

/// Scans that end after what is asked for: `delayed` after its first row, the others after what waits or is deployed.
const BOUNDED_SCANS: &[&str] =
    &["SCAN (subquery", "SCAN waiting", "SCAN deployments", "SCAN delayed USING COVERING INDEX"];

fn database() -> (tempfile::TempDir, Connection) {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings::new(folder.path());
    let opened = schema::open_writer(&folder.path().join("loom.db"), &settings, None).unwrap();
    (folder, opened.connection)
}

fn plan(connection: &Connection, statement: &str) -> Vec<String> {
    let mut query = connection.prepare(&format!("EXPLAIN QUERY PLAN {statement}")).unwrap();
    let parameters = vec![Value::Integer(1); query.parameter_count()];
    let details = query.query_map(params_from_iter(parameters), |row| row.get("detail")).unwrap();
    details.collect::<Result<_, _>>().unwrap()
}

#[test]
fn no_statement_scans_a_table() {
    let (_folder, connection) = database();
    for statement in sql::ALL.iter().chain(reader::ALL) {
        let plan = plan(&connection, statement);
        let mut scans = plan.iter().filter(|line| line.starts_with("SCAN"));
        let is_bounded = |scan: &String| BOUNDED_SCANS.iter().any(|bounded| scan.starts_with(bounded));
        assert!(scans.all(is_bounded), "{statement}\n{plan:#?}");
    }
}

/// Adds actors with ten finished turns each, as the commit path leaves them.
fn finish_turns(connection: &Connection, actors: std::ops::Range<i64>) {
    let transaction = connection.unchecked_transaction().unwrap();
    for actor in actors {
        let run = |statement: &str, parameters: &[Value]| {
            let mut prepared = transaction.prepare_cached(statement).unwrap();
            prepared.execute(params_from_iter(parameters.iter().cloned())).unwrap();
        };
        let integer = Value::Integer;
        run(
            "INSERT INTO actors (id, address, next_seq, head, turn) VALUES (?1, ?2, 30, zeroblob(32), 10)",
            &[integer(actor), Value::Text(format!("default/t/{actor:08}"))],
        );
        run(sql::SET_STATE, &[integer(actor), Value::Blob(vec![0; 40])]);
        for turn in 1..=10 {
            run(sql::NEW_LEAF, &[integer(actor), integer(turn as i64 * 3), Value::Blob(vec![0; 32])]);
            let segment = integer(reader::segment_id(actor, turn * 3));
            run(sql::APPEND, &[segment, Value::Blob(vec![0; 40]), integer(transaction.last_insert_rowid())]);
            let id = Value::Text(format!("m{turn}"));
            let digest = Value::Blob(vec![0; 32]);
            run(sql::ADMIT, &[integer(actor), id, digest, integer(turn as i64), integer(9), integer(9)]);
        }
    }
    transaction.commit().unwrap();
}

/// Instructions that SQLite takes for a query that asks for everything, one row at most.
fn cost(connection: &Connection, statement: &str) -> i32 {
    let mut query = connection.prepare(statement).unwrap();
    for parameter in 1..=query.parameter_count() {
        let after_all = [format!("address < ?{parameter}"), format!("id < ?{parameter}")];
        let value = match after_all.iter().any(|text| statement.contains(text)) {
            true => Value::Text("~".into()),
            // Every address is greater than a number.
            false => Value::Integer(1),
        };
        query.raw_bind_parameter(parameter, value).unwrap();
    }
    let mut rows = query.raw_query();
    let _ = rows.next().unwrap();
    drop(rows);
    query.get_status(StatementStatus::VmStep)
}

#[test]
fn no_query_costs_more_with_more_history() {
    let (_folder, connection) = database();
    for statistics in ["", "ANALYZE"] {
        let first = if statistics.is_empty() { 1 } else { 100_000 };
        finish_turns(&connection, first..first + 20);
        connection.execute_batch(statistics).unwrap();
        let before: Vec<_> = reader::ALL.iter().map(|query| cost(&connection, query)).collect();
        finish_turns(&connection, first + 20..first + 520);
        connection.execute_batch(statistics).unwrap();
        for (query, before) in reader::ALL.iter().zip(before) {
            let after = cost(&connection, query);
            assert!(after <= before + 4, "{before} instructions became {after}: {query}");
        }
    }
}
