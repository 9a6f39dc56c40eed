//! Types written as text, as in Rust, and back.
//!
//! ```text
//! text     item* type?                 without a type, the last item is it
//! item     attributes `pub`? `struct` name `{` field.. `}` | .. `struct` name `(` type.. `)` `;` | .. `struct` name `;`
//!          attributes `pub`? `enum` name `{` variant.. `}`
//! name     identifier, or with parameters: `Pair<u32, String>`, of which each use is an item of its own
//! variant  name | name `{` field.. `}` | name `(` type.. `)`, and `= number` behind that
//! type     identifier `<` type.. `>` | `(` type.. `)` | `[` type `;` number `]`
//! ```
//!
//! Of attributes only `repr` counts: an enum without fields is stored as its integer with `#[repr(u8)]` and the like, as
//! `#[derive(Plain)]` does; without, as `#[derive(Share)]` does. So declarations can be pasted from a program. A path
//! before a name (`std::collections::HashMap`) is skipped, and so are comments.

use crate::error::{Error, Result};
use std::collections::{HashMap, HashSet};

/// A type expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Expression {
    pub form: Form,
    /// Where it stands in the text, in bytes.
    pub at: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// A name with what is between its angle brackets.
    Named(String, Vec<Expression>),
    Tuple(Vec<Expression>),
    Array(Box<Expression>, usize),
    /// A constant as a parameter of a type.
    Constant(String),
}

impl std::fmt::Display for Expression {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let list = |all: &[Expression]| all.iter().map(Expression::to_string).collect::<Vec<_>>().join(", ");
        match &self.form {
            Form::Named(name, parameters) if parameters.is_empty() => f.write_str(name),
            Form::Named(name, parameters) => write!(f, "{name}<{}>", list(parameters)),
            Form::Tuple(one) if one.len() == 1 => write!(f, "({},)", one[0]),
            Form::Tuple(all) => write!(f, "({})", list(all)),
            Form::Array(element, count) => write!(f, "[{element}; {count}]"),
            Form::Constant(text) => f.write_str(text),
        }
    }
}

/// A struct or enum.
#[derive(Clone, Debug)]
pub(super) struct Item {
    /// The name, as an expression with its parameters.
    pub name: Expression,
    pub repr: Repr,
    pub body: Body,
}

/// What `repr` says.
#[derive(Clone, Debug, Default)]
pub(super) struct Repr {
    pub c: bool,
    pub align: usize,
    /// `u8` and the like.
    pub integer: Option<String>,
}

pub(super) type Fields = Vec<(String, Expression)>;

#[derive(Clone, Debug)]
pub(super) enum Body {
    Struct(Fields),
    /// Names, given discriminants, fields.
    Enum(Vec<(String, Option<i128>, Fields)>),
}

/// All that a text declares, and the type that it names.
#[derive(Clone, Debug)]
pub(super) struct Declared {
    pub items: Vec<Item>,
    pub root: Expression,
    /// The items by their names.
    places: HashMap<String, usize>,
}

impl Declared {
    /// The item of that name, with its parameters.
    pub fn item(&self, name: &str) -> Option<&Item> {
        self.places.get(name).map(|place| &self.items[*place])
    }
}

/// Reads a text.
pub(super) fn parse(text: &str) -> Result<Declared> {
    let mut reader = Reader { text, at: 0, depth: 0 };
    let (mut items, mut places) = (Vec::<Item>::new(), HashMap::new());
    loop {
        let repr = reader.attributes()?;
        reader.visibility()?;
        let keyword = if reader.word("struct") {
            "struct"
        } else if reader.word("enum") {
            "enum"
        } else {
            break;
        };
        let item = reader.item(keyword, repr)?;
        if places.insert(item.name.to_string(), items.len()).is_some() {
            return Err(reader.error_at(item.name.at, format!("{} is declared twice", item.name)));
        }
        items.push(item);
    }
    let root = match (reader.is_at_end(), items.last()) {
        (true, Some(item)) => item.name.clone(),
        (true, None) => return Err(reader.error("a type is missing, for example HashMap<String, u64>")),
        _ => reader.expression()?,
    };
    if !reader.is_at_end() {
        return Err(reader.error("the type should end here"));
    }
    Ok(Declared { items, root, places })
}

/// An error about a place of a text.
pub(super) fn bad_type(text: &str, at: usize, reason: impl Into<String>) -> Error {
    let at = at.min(text.len());
    let line_at = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    let line = text[line_at..].lines().next().unwrap_or("").to_owned();
    let column = text[line_at..at].chars().count();
    Error::BadType { line, line_number: text[..at].matches('\n').count() + 1, column, reason: reason.into() }
}

/// Types within each other, at most.
const DEEPEST: usize = 64;

struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl<'a> Reader<'a> {
    fn error(&self, reason: impl Into<String>) -> Error {
        bad_type(self.text, self.at, reason)
    }

    fn error_at(&self, at: usize, reason: impl Into<String>) -> Error {
        bad_type(self.text, at, reason)
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn skip_blanks(&mut self) {
        loop {
            let rest = self.rest();
            let trimmed = rest.trim_start();
            self.at += rest.len() - trimmed.len();
            if trimmed.starts_with("//") {
                self.at += trimmed.find('\n').unwrap_or(trimmed.len());
            } else if let Some(comment) = trimmed.strip_prefix("/*") {
                self.at += comment.find("*/").map_or(trimmed.len(), |end| end + 4);
            } else {
                return;
            }
        }
    }

    fn is_at_end(&mut self) -> bool {
        self.skip_blanks();
        self.rest().is_empty()
    }

    fn eat(&mut self, symbol: &str) -> bool {
        self.skip_blanks();
        let found = self.rest().starts_with(symbol);
        if found {
            self.at += symbol.len();
        }
        found
    }

    fn expect(&mut self, symbol: &str) -> Result<()> {
        if self.eat(symbol) { Ok(()) } else { Err(self.error(format!("`{symbol}` is expected here"))) }
    }

    /// The identifier that comes next.
    fn peek_identifier(&mut self) -> &'a str {
        self.skip_blanks();
        let rest = self.rest();
        let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
        if rest.starts_with(|c: char| c.is_numeric()) { "" } else { &rest[..end] }
    }

    fn identifier(&mut self, what: &str) -> Result<String> {
        self.skip_blanks();
        if self.rest().starts_with("r#") {
            self.at += 2;
        }
        let name = self.peek_identifier();
        if name.is_empty() {
            return Err(self.error(format!("{what} is expected here")));
        }
        self.at += name.len();
        Ok(name.to_owned())
    }

    fn word(&mut self, word: &str) -> bool {
        let found = self.peek_identifier() == word;
        if found {
            self.at += word.len();
        }
        found
    }

    fn number(&mut self) -> Result<i128> {
        let negative = self.eat("-");
        self.skip_blanks();
        let rest = self.rest();
        let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
        let digits = rest[..end].replace('_', "");
        let number = match (digits.strip_prefix("0x"), digits.strip_prefix("0b")) {
            (Some(digits), _) => i128::from_str_radix(digits, 16),
            (_, Some(digits)) => i128::from_str_radix(digits, 2),
            _ => digits.parse(),
        };
        let number = number.map_err(|_| self.error("a whole number is expected here"))?;
        self.at += end;
        Ok(if negative { -number } else { number })
    }

    fn attributes(&mut self) -> Result<Repr> {
        let mut repr = Repr::default();
        while self.eat("#") {
            self.expect("[")?;
            if self.word("repr") {
                self.expect("(")?;
                while !self.eat(")") {
                    match self.identifier("what `repr` says")?.as_str() {
                        "C" | "transparent" => repr.c = true,
                        "align" => {
                            self.expect("(")?;
                            let at = self.at;
                            let align = usize::try_from(self.number()?).ok();
                            let align = align.filter(|align| align.is_power_of_two() && *align <= 4096);
                            repr.align =
                                align.ok_or_else(|| self.error_at(at, "an alignment is a power of two up to 4096"))?;
                            self.expect(")")?;
                        }
                        integer => repr.integer = Some(integer.to_owned()),
                    }
                    self.eat(",");
                }
                self.expect("]")?;
                continue;
            }
            let mut open = 1;
            while open > 0 {
                let Some(character) = self.rest().chars().next() else {
                    return Err(self.error("an attribute is not closed by `]`"));
                };
                self.at += character.len_utf8();
                open += i32::from(character == '[') - i32::from(character == ']');
            }
        }
        Ok(repr)
    }

    fn visibility(&mut self) -> Result<()> {
        if self.word("pub") && self.eat("(") {
            while !self.eat(")") {
                self.identifier("who sees it")?;
            }
        }
        Ok(())
    }

    fn item(&mut self, keyword: &str, repr: Repr) -> Result<Item> {
        self.skip_blanks();
        let at = self.at;
        let name = Expression { form: self.named()?, at };
        if keyword == "enum" {
            self.expect("{")?;
            let mut variants = Vec::new();
            while !self.eat("}") {
                self.attributes()?;
                let name = self.identifier("a variant, or `}`")?;
                let fields = self.fields()?.unwrap_or_default();
                let discriminant = if self.eat("=") { Some(self.number()?) } else { None };
                variants.push((name, discriminant, fields));
                self.separator("}")?;
            }
            if variants.is_empty() {
                return Err(self.error_at(at, "an enum without variants has no values"));
            }
            return Ok(Item { name, repr, body: Body::Enum(variants) });
        }
        let fields = self.fields()?;
        self.eat(";");
        Ok(Item { name, repr, body: Body::Struct(fields.unwrap_or_default()) })
    }

    /// A comma, unless the list ends.
    fn separator(&mut self, end: &str) -> Result<()> {
        if self.eat(",") {
            return Ok(());
        }
        self.skip_blanks();
        if self.rest().starts_with(end) { Ok(()) } else { Err(self.error(format!("`,` or `{end}` is expected here"))) }
    }

    /// Fields with names in braces, or without in parentheses.
    fn fields(&mut self) -> Result<Option<Fields>> {
        let (mut fields, mut names) = (Fields::new(), HashSet::new());
        if self.eat("{") {
            while !self.eat("}") {
                self.attributes()?;
                self.visibility()?;
                let name = self.identifier("a field, or `}`")?;
                if !names.insert(name.clone()) {
                    return Err(self.error(format!("there is a field {name} already")));
                }
                self.expect(":")?;
                fields.push((name, self.expression()?));
                self.separator("}")?;
            }
        } else if self.eat("(") {
            while !self.eat(")") {
                self.attributes()?;
                self.visibility()?;
                fields.push((fields.len().to_string(), self.expression()?));
                self.separator(")")?;
            }
        } else {
            return Ok(None);
        }
        Ok(Some(fields))
    }

    fn expression(&mut self) -> Result<Expression> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(self.error("types are nested too deep here"));
        }
        self.skip_blanks();
        let at = self.at;
        let form = if self.eat("(") {
            let mut all = Vec::new();
            while !self.eat(")") {
                all.push(self.expression()?);
                if !self.eat(",") {
                    self.expect(")")?;
                    if all.len() == 1 {
                        // Mere parentheses.
                        self.depth -= 1;
                        return Ok(all.remove(0));
                    }
                    break;
                }
            }
            Form::Tuple(all)
        } else if self.eat("[") {
            let element = Box::new(self.expression()?);
            self.expect(";")?;
            self.skip_blanks();
            let at = self.at;
            let count = usize::try_from(self.number()?).ok().filter(|count| *count <= u32::MAX as usize);
            let count = count.ok_or_else(|| self.error_at(at, "an array cannot have so many elements"))?;
            self.expect("]")?;
            Form::Array(element, count)
        } else {
            self.named()?
        };
        self.depth -= 1;
        Ok(Expression { form, at })
    }

    fn named(&mut self) -> Result<Form> {
        let mut name = self.identifier("a type")?;
        while self.eat("::") {
            name = self.identifier("the rest of the path")?;
        }
        let mut parameters = Vec::new();
        if self.eat("<") {
            while !self.eat(">") {
                self.skip_blanks();
                let at = self.at;
                let number = self.rest().starts_with(|c: char| c.is_ascii_digit() || c == '-');
                parameters.push(if number {
                    Expression { form: Form::Constant(self.number()?.to_string()), at }
                } else {
                    self.expression()?
                });
                self.separator(">")?;
            }
        }
        Ok(Form::Named(name, parameters))
    }
}
