//! The text of an element of an XML document.

use roxmltree::{Document, Node};
use serde_json::Value;

/// The text of the elements on a path of local names below the root element: of one as a text, of several as an array. A
/// document type declaration is refused: no service needs one, and entities can be made to grow without end.
pub(super) fn text_at(document: &str, path: &str) -> Result<Value, String> {
    let document = Document::parse(document).map_err(|error| format!("the answer is no XML: {error}"))?;
    let mut found = vec![document.root_element()];
    for name in path.split('/') {
        let below = |node: Node<'_, '_>| node.tag_name().name() == name;
        found = found.iter().flat_map(Node::children).filter(|node| node.is_element() && below(*node)).collect();
    }
    let mut texts: Vec<Value> = found.iter().map(|node| Value::String(text(*node))).collect();
    match texts.len() {
        0 => Err(format!("the answer has no element {path} below <{}>", document.root_element().tag_name().name())),
        1 => Ok(texts.remove(0)),
        _ => Ok(Value::Array(texts)),
    }
}

fn text(node: Node<'_, '_>) -> String {
    let all: String = node.descendants().filter(Node::is_text).filter_map(|node| node.text()).collect();
    all.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn elements_are_found_below_the_root_whatever_their_namespace() {
        let stats = "<?xml version=\"1.0\" encoding=\"utf-8\"?><a:S xmlns:a=\"urn:x\"><a:Geo><Status>live</Status><Last/></a:Geo></a:S>";
        assert_eq!(text_at(stats, "Geo/Status"), Ok(json!("live")));
        assert_eq!(text_at(stats, "Geo/Last"), Ok(json!("")));
        assert_eq!(text_at("<l><i> 1 </i><i><b>2</b></i></l>", "i"), Ok(json!(["1", "2"])));
        assert_eq!(text_at(stats, "Geo/Gone"), Err("the answer has no element Geo/Gone below <S>".into()));
    }

    #[test]
    fn what_is_no_xml_or_would_grow_is_refused() {
        assert!(text_at("{}", "a").unwrap_err().starts_with("the answer is no XML: "));
        let laughs = "<!DOCTYPE l [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;\">]><l><i>&b;</i></l>";
        assert!(text_at(laughs, "i").unwrap_err().starts_with("the answer is no XML: "));
    }

    #[test]
    fn a_document_as_deep_as_it_is_long_harms_nobody() {
        let deep = format!("{}{}", "<a>".repeat(100_000), "</a>".repeat(100_000));
        assert_eq!(text_at(&deep, "a"), Ok(json!("")));
    }
}
