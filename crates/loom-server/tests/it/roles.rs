//! Every route of the interface, asked without a token, with too little, with enough in the wrong place, and with
//! enough.

use loom_client::{NAMESPACE, Problem, Secret};
use loom_server::{Access, Role};

use crate::server::Server;

/// A path that a route's pattern matches. What it names need not exist: who may ask is decided first.
fn filled(path: &str) -> String {
    let cid = "bafkreifzjut3te7nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e";
    [("{type}", "a"), ("{key}", "b"), ("{id}", "m"), ("{token}", "x"), ("{cid}", cid), ("{name}", "nobody")]
        .iter()
        .fold(path.to_owned(), |path, (pattern, value)| path.replace(pattern, value))
}

struct Asked {
    status: u16,
    code: String,
    challenges: bool,
}

async fn ask(server: &Server, method: &str, path: &str, token: Option<&Secret<String>>) -> Asked {
    loom_client::use_ring();
    let url = format!("http://{}{}", server.address, filled(path));
    let http = reqwest::Client::builder().pool_max_idle_per_host(0).build().unwrap();
    let mut request = http.request(method.parse().unwrap(), url).header(NAMESPACE, "acme");
    if let Some(token) = token {
        request = request.bearer_auth(token.expose());
    }
    let response = request.send().await.unwrap();
    let challenges = response.headers().contains_key("www-authenticate");
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    let code = serde_json::from_str(&text).map_or(String::new(), |problem: Problem| problem.code);
    Asked { status, code, challenges }
}

#[tokio::test]
async fn every_route_asks_for_its_role() {
    let server = Server::start(|_| ()).await;
    let root = server.token(None, "root", "*=admin").await;
    let mut tokens = Vec::new();
    for (role, below) in [(Role::Read, ""), (Role::Invoke, "read"), (Role::Deploy, "invoke"), (Role::Admin, "deploy")] {
        let here = server.token(Some(&root), &format!("here-{role}"), &format!("acme={role}")).await;
        let everywhere = server.token(Some(&root), &format!("everywhere-{role}"), &format!("*={role}")).await;
        let mut too_little = vec![server.token(Some(&root), &format!("there-{role}"), &format!("other={role}")).await];
        if !below.is_empty() {
            let grants = format!("acme={below} other=admin");
            too_little.push(server.token(Some(&root), &format!("below-{role}"), &grants).await);
        }
        tokens.push((role, here, everywhere, too_little));
    }
    let stranger = Secret::new("loom_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa".to_owned());
    for (method, path, access) in loom_server::access() {
        let method = method.as_str();
        let what = format!("{method} {path}");
        let (Access::Namespace(role) | Access::Node(role)) = access else {
            let asked = ask(&server, method, path, None).await;
            assert!(![401, 403].contains(&asked.status), "{what}: {}", asked.status);
            continue;
        };
        for token in [None, Some(&stranger)] {
            let asked = ask(&server, method, path, token).await;
            assert_eq!((asked.status, asked.code.as_str(), asked.challenges), (401, "unauthenticated", true), "{what}");
        }
        let (_, here, everywhere, too_little) = tokens.iter().find(|(found, ..)| *found == role).unwrap();
        let is_node = matches!(access, Access::Node(_));
        for token in too_little.iter().chain(is_node.then_some(here)) {
            let asked = ask(&server, method, path, Some(token)).await;
            assert_eq!((asked.status, asked.code.as_str()), (403, "forbidden"), "{what}");
        }
        for token in [Some(everywhere), (!is_node).then_some(here)].into_iter().flatten() {
            let asked = ask(&server, method, path, Some(token)).await;
            assert!(![401, 403].contains(&asked.status), "{what}: {}", asked.status);
        }
    }
    server.stop().await;
}

/// What strangers may do is a list that only ever grows on purpose.
#[test]
fn few_routes_are_public() {
    let public: Vec<_> = loom_server::access()
        .into_iter()
        .filter(|(_, _, access)| *access == Access::Public)
        .map(|(method, path, _)| format!("{method} {path}"))
        .collect();
    assert_eq!(public, ["POST /v1/promises/{token}", "GET /healthz", "GET /readyz", "GET /openapi.json"]);
}

#[tokio::test]
async fn a_namespace_that_cannot_be_is_refused_and_another_host_only_without_tokens() {
    let server = Server::start(|_| ()).await;
    loom_client::use_ring();
    let http = reqwest::Client::new();
    let url = format!("http://{}/v1/actors", server.address);
    let status = async |headers: &[(&str, &str)]| {
        let request = headers.iter().fold(http.get(&url), |request, (name, value)| request.header(*name, *value));
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(status(&[(NAMESPACE, "Not A Name")]).await, 400);
    assert_eq!(status(&[("host", "evil.example")]).await, 421);
    let root = server.token(None, "root", "*=admin").await;
    let bearer = format!("bearer {}", root.expose());
    assert_eq!(status(&[("host", "loom.example")]).await, 401);
    assert_eq!(status(&[("host", "loom.example"), ("authorization", &bearer)]).await, 200);
    assert_eq!(status(&[("authorization", root.expose())]).await, 401);
    assert_eq!(status(&[("authorization", &format!("Basic {}", root.expose()))]).await, 401);
    server.stop().await;
}
