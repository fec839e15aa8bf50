//! What reaches a witness: a log's request, its leaves, and the edge of a tree. Refused, or written as it was read.

use loom_evidence::{Frontier, Leaf, included, is_consistent};
use loom_witness::Request;

/// A request, a leaf or a frontier.
pub(crate) fn run(input: &[u8]) {
    if let Ok(request) = Request::parse(input) {
        assert_eq!(request.encode().as_bytes(), input, "a request has one form");
        let checkpoint = request.checkpoint.checkpoint();
        let (size, root) = (checkpoint.size, checkpoint.root);
        // The proof is of whatever somebody likes; no root but its own may come of it.
        for old_root in [root, [0; 32]] {
            if is_consistent(&request.proof, size, root, request.old, old_root).is_ok() {
                assert!(request.old <= size, "a tree does not shrink");
                assert!(request.old == 0 || old_root != [0; 32], "nobody knows what hashes to this");
            }
        }
        assert!(included(&request.proof, size, root, request.old, [0; 32]).is_err(), "nor a leaf that does");
    }
    if let Ok(leaf) = Leaf::decode(input) {
        assert_eq!(leaf.encode(), input, "a leaf has one encoding");
    }
    if let Ok(frontier) = Frontier::decode(input) {
        assert_eq!(frontier.encode(), input, "an edge has one encoding");
        frontier.root();
        let mut longer = frontier.clone();
        if longer.size() < loom_evidence::limits::LOG_SIZE_MAX {
            longer.append([1; 32]);
            assert_eq!(Frontier::decode(&longer.encode()), Ok(longer));
        }
    }
}
