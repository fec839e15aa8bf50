use super::sql;

/// A statement that scans gets slower with every finished turn.
#[test]
fn no_statement_of_the_commit_path_scans_a_table() {
    let folder = tempfile::tempdir().unwrap();
    let settings = crate::Settings::new(folder.path());
    let opened = crate::schema::open_writer(&folder.path().join("loom.db"), &settings, None).unwrap();
    for statement in sql::ALL.iter().chain(crate::reader::HOT) {
        let mut query = opened.connection.prepare(&format!("EXPLAIN QUERY PLAN {statement}")).unwrap();
        let parameters = vec![rusqlite::types::Value::Integer(1); query.parameter_count()];
        let plan: Vec<String> = query
            .query_map(rusqlite::params_from_iter(parameters), |row| row.get("detail"))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        // Going through what a bounded subquery found is no scan of a table.
        let is_scan = |line: &&String| line.starts_with("SCAN") && !line.starts_with("SCAN (subquery");
        let scans = plan
            .iter()
            .filter(is_scan)
            .any(|line| !line.contains("USING INDEX") && !line.contains("USING COVERING INDEX"));
        assert!(!scans, "{statement}\n{plan:#?}");
    }
}
