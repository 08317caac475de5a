//! The tree that ELBv2's XML answers and its form-encoded requests have in common. An action list read as a tree goes
//! back as the same tree, with whatever fields AWS has added since the SDK was generated.

use std::fmt::Write;

/// One element: a name with either a text or children. A list's items are called `member`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node {
    pub name: String,
    pub text: String,
    pub children: Vec<Node>,
}

/// Deeper than any answer of the API.
const DEPTH_LIMIT: usize = 32;

impl Node {
    /// A node with a text.
    pub fn leaf(name: &str, text: impl ToString) -> Node {
        Node { name: name.into(), text: text.to_string(), children: vec![] }
    }

    /// A node with children.
    pub fn branch(name: &str, children: Vec<Node>) -> Node {
        Node { name: name.into(), text: String::new(), children }
    }

    /// Reads an XML document. Document type declarations are refused.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub fn parse(bytes: &[u8]) -> Result<Node, String> {
        let text = std::str::from_utf8(bytes).map_err(|_| "the answer is not UTF-8".to_owned())?;
        let document =
            roxmltree::Document::parse(text).map_err(|error| format!("the answer is not XML: {error}"))?;
        Node::of(document.root_element(), 0)
    }

    fn of(element: roxmltree::Node<'_, '_>, depth: usize) -> Result<Node, String> {
        if depth > DEPTH_LIMIT {
            return Err("the answer is nested too deep".into());
        }
        let children: Vec<Node> = element
            .children()
            .filter(roxmltree::Node::is_element)
            .map(|child| Node::of(child, depth + 1))
            .collect::<Result<_, _>>()?;
        let text = if children.is_empty() {
            element.children().filter_map(|child| child.text()).collect()
        } else {
            String::new()
        };
        Ok(Node { name: element.tag_name().name().to_owned(), text, children })
    }

    /// The first child of that name.
    pub fn child(&self, name: &str) -> Option<&Node> {
        self.children.iter().find(|c| c.name == name)
    }

    /// The first child of that name, to be changed.
    pub fn child_mut(&mut self, name: &str) -> Option<&mut Node> {
        self.children.iter_mut().find(|c| c.name == name)
    }

    /// The text of the child of that name.
    pub fn text_of(&self, name: &str) -> Option<&str> {
        self.child(name).map(|c| c.text.as_str())
    }

    /// The first node of that name, here or below.
    pub fn find(&self, name: &str) -> Option<&Node> {
        if self.name == name {
            return Some(self);
        }
        self.children.iter().find_map(|c| c.find(name))
    }

    /// Replaces or adds the child of that name.
    pub fn set(&mut self, node: Node) {
        match self.child_mut(&node.name) {
            Some(old) => *old = node,
            None => self.children.push(node),
        }
    }

    /// Takes out all children of that name.
    pub fn remove(&mut self, name: &str) {
        self.children.retain(|c| c.name != name);
    }

    /// The node as the query protocol's parameters, in order: `Actions.member.1.Type` = `forward`.
    pub fn parameters(&self) -> Vec<(String, String)> {
        let mut found = vec![];
        self.flatten(&self.name, &mut found);
        found
    }

    fn flatten(&self, path: &str, found: &mut Vec<(String, String)>) {
        if self.children.is_empty() {
            found.push((path.to_owned(), self.text.clone()));
            return;
        }
        let mut item = 0;
        for child in &self.children {
            // Lists have items called `member`, maps such called `entry`; both are numbered from 1.
            if child.name == "member" || child.name == "entry" {
                item += 1;
                child.flatten(&format!("{path}.{}.{item}", child.name), found);
            } else {
                child.flatten(&format!("{path}.{}", child.name), found);
            }
        }
    }
}

/// Encodes parameters as `application/x-www-form-urlencoded`.
pub fn encode_form(parameters: &[(String, String)]) -> String {
    let mut form = String::new();
    for (name, value) in parameters {
        if !form.is_empty() {
            form.push('&');
        }
        encode(name, &mut form);
        form.push('=');
        encode(value, &mut form);
    }
    form
}

fn encode(text: &str, form: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            form.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(form, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_goes_back_as_it_came() {
        let xml =
            b"<R xmlns='http://x/'><Actions><member><Type>forward</Type><New><A>1 &amp; 2</A></New></member>\
            <member><P><entry><key>k</key><value>v</value></entry></P><Empty/></member></Actions></R>";
        let root = Node::parse(xml).unwrap();
        let want = [
            ("Actions.member.1.Type", "forward"),
            ("Actions.member.1.New.A", "1 & 2"),
            ("Actions.member.2.P.entry.1.key", "k"),
            ("Actions.member.2.P.entry.1.value", "v"),
            ("Actions.member.2.Empty", ""),
        ];
        let got = root.find("Actions").unwrap().parameters();
        assert_eq!(got, want.map(|(k, v)| (k.to_owned(), v.to_owned())));
    }

    #[test]
    fn forms_are_encoded_byte_by_byte() {
        let got = encode_form(&[("A.1".into(), "a b&c=ü/".into()), ("B".into(), "*~".into())]);
        assert_eq!(got, "A.1=a%20b%26c%3D%C3%BC%2F&B=%2A~");
    }

    #[test]
    fn hostile_xml_is_an_error() {
        let deep = format!("{}{}", "<a>".repeat(500), "</a>".repeat(500));
        let bomb = "<!DOCTYPE a [<!ENTITY b 'cc'>]><a>&b;</a>";
        for text in ["", "<a>", "plain", bomb, deep.as_str()] {
            assert!(Node::parse(text.as_bytes()).is_err(), "{text:.40}");
        }
        assert!(Node::parse(&[0xff, 0xfe]).is_err());
    }
}
