//! A model's types as the validator walks them: flat lists that name one another by index.

use super::{Field, Kind, Object, Type, UnknownFields, names::Names};

/// The compiled types of one model.
#[derive(Clone, Debug, Default)]
pub(crate) struct Program {
    instructions: Vec<Instruction>,
    /// What types are called: where in `text`.
    texts: Vec<(Index, Index)>,
    text: String,
    shapes: Vec<Shape>,
    members: Vec<Members>,
    bounds: Vec<Bounds>,
    /// The elements of tuples.
    elements: Vec<Instruction>,
    /// The shape of the record.
    root: Index,
}

/// An index into one of a program's lists.
type Index = u32;

/// What one value must be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Instruction {
    pub(crate) op: Op,
    /// Whether null will do.
    pub(crate) nullable: bool,
    /// What the type is called.
    text: Index,
}

/// What a value must be, as [`Kind`] has it; numbers are indices into the program's lists.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Op {
    Any,
    String,
    FixedString(u32),
    Bool,
    Integer { signed: bool, bits: u16 },
    Float,
    Decimal,
    Date,
    DateTime,
    Uuid,
    Ipv4,
    Ipv6,
    Enum(Index),
    Array(Index),
    Map { key: Index, value: Index },
    Object(Index),
    Tuple { first: Index, len: u32 },
    Json,
    Number,
    WholeNumber(Index),
    Literals(Index),
}

/// The members of an object.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    pub(crate) names: Names,
    /// The instruction of each; a copy, so that it is next to that of the field before.
    pub(crate) fields: Vec<Instruction>,
    /// A bit for each field that may not be absent.
    pub(crate) required: Vec<u64>,
    pub(crate) unknown_fields: UnknownFields,
}

/// The members of an enum.
#[derive(Clone, Debug)]
pub(crate) struct Members {
    pub(crate) names: Names,
    /// Sorted.
    pub(crate) numbers: Vec<i16>,
}

/// The least and the greatest of whole numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) minimum: Option<i128>,
    pub(crate) maximum: Option<i128>,
}

/// A field of a [`Shape`] before the shape is made.
struct Member<'a> {
    name: &'a str,
    instruction: Index,
    required: bool,
}

impl Program {
    /// The rules of records with these fields.
    pub(crate) fn compile(fields: &[Field], unknown_fields: UnknownFields) -> Self {
        let mut program = Self::default();
        program.root = program.object(fields, unknown_fields);
        program
    }

    /// The record's own shape.
    pub(crate) fn root(&self) -> Index {
        self.root
    }

    #[inline]
    pub(crate) fn instruction(&self, index: Index) -> &Instruction {
        &self.instructions[index as usize]
    }

    /// The type of an instruction, as the model writes it.
    pub(crate) fn text(&self, instruction: &Instruction) -> &str {
        let (start, end) = self.texts[instruction.text as usize];
        &self.text[start as usize..end as usize]
    }

    #[inline]
    pub(crate) fn shape(&self, index: Index) -> &Shape {
        &self.shapes[index as usize]
    }

    #[inline]
    pub(crate) fn members(&self, index: Index) -> &Members {
        &self.members[index as usize]
    }

    pub(crate) fn bounds(&self, index: Index) -> Bounds {
        self.bounds[index as usize]
    }

    /// The instructions of a tuple's elements.
    pub(crate) fn elements(&self, first: Index, len: u32) -> &[Instruction] {
        &self.elements[first as usize..][..len as usize]
    }

    /// What the value at a path is declared to be; `None` where the model leaves it open.
    pub(crate) fn declared(&self, path: &[String]) -> Option<Op> {
        let mut op = Op::Object(self.root);
        for name in path {
            let Op::Object(shape) = op else { return None };
            let shape = self.shape(shape);
            let field = shape.names.look_up(name.as_bytes())?;
            op = shape.fields[field].op;
        }
        Some(op)
    }

    fn object(&mut self, fields: &[Field], unknown_fields: UnknownFields) -> Index {
        let mut members = Vec::with_capacity(fields.len());
        for field in fields {
            members.push(Member {
                name: &field.name,
                instruction: self.type_(&field.type_, unknown_fields),
                required: !field.may_be_absent,
            });
        }
        self.add_shape(&members, unknown_fields)
    }

    fn add_shape(&mut self, members: &[Member<'_>], unknown_fields: UnknownFields) -> Index {
        let mut required = vec![0; members.len().div_ceil(64)];
        for (field, member) in members.iter().enumerate() {
            required[field / 64] |= u64::from(member.required) << (field % 64);
        }
        let shape = Shape {
            names: Names::new(members.iter().map(|member| member.name)),
            fields: members
                .iter()
                .map(|member| *self.instruction(member.instruction))
                .collect(),
            required,
            unknown_fields,
        };
        push(&mut self.shapes, shape)
    }

    /// Adds the instructions of a type; what it says of unknown fields holds for all within it.
    fn type_(&mut self, type_: &Type, unknown_fields: UnknownFields) -> Index {
        let (mut kind, mut nullable) = (&type_.kind, false);
        while let Kind::Nullable(inner) = kind {
            (kind, nullable) = (&inner.kind, true);
        }
        let op = match kind {
            Kind::Any | Kind::Nullable(_) => {
                nullable = true;
                Op::Any
            }
            Kind::String => Op::String,
            Kind::FixedString(len) => Op::FixedString(u32::try_from(*len).unwrap_or(u32::MAX)),
            Kind::Bool => Op::Bool,
            &Kind::Integer { signed, bits } => Op::Integer { signed, bits },
            Kind::Float => Op::Float,
            Kind::Decimal => Op::Decimal,
            Kind::Date => Op::Date,
            Kind::DateTime => Op::DateTime,
            Kind::Uuid => Op::Uuid,
            Kind::Ipv4 => Op::Ipv4,
            Kind::Ipv6 => Op::Ipv6,
            Kind::Enum(members) => {
                let mut numbers: Vec<_> = members.iter().map(|member| member.1).collect();
                numbers.sort_unstable();
                let names = Names::new(members.iter().map(|member| member.0.as_str()));
                Op::Enum(push(&mut self.members, Members { names, numbers }))
            }
            Kind::Array(element) => Op::Array(self.type_(element, unknown_fields)),
            Kind::Map(key, value) => Op::Map {
                key: self.type_(key, unknown_fields),
                value: self.type_(value, unknown_fields),
            },
            Kind::Object(Object {
                fields,
                unknown_fields: own,
            }) => Op::Object(self.object(fields, own.unwrap_or(unknown_fields))),
            Kind::Tuple(inner) => {
                let elements = inner.iter().map(|it| self.type_(it, unknown_fields));
                let elements: Vec<_> = elements.collect();
                let elements = elements.iter().map(|it| *self.instruction(*it));
                let elements: Vec<_> = elements.collect();
                let (first, len) = (place(self.elements.len()), place(elements.len()));
                self.elements.extend(elements);
                Op::Tuple { first, len }
            }
            Kind::Json(paths) if paths.is_empty() => Op::Json,
            Kind::Json(paths) => {
                let paths: Vec<_> = paths
                    .iter()
                    .map(|(path, type_)| (&path[..], type_))
                    .collect();
                Op::Object(self.json(&paths))
            }
            Kind::Number => Op::Number,
            &Kind::WholeNumber { minimum, maximum } => {
                Op::WholeNumber(push(&mut self.bounds, Bounds { minimum, maximum }))
            }
            Kind::Literals(literals) => {
                let names = Names::new(literals.iter().map(String::as_str));
                let numbers = Vec::new();
                Op::Literals(push(&mut self.members, Members { names, numbers }))
            }
        };
        self.add(op, nullable, &type_.text)
    }

    fn add(&mut self, op: Op, nullable: bool, text: &str) -> Index {
        let start = place(self.text.len());
        self.text.push_str(text);
        let text = push(&mut self.texts, (start, place(self.text.len())));
        push(&mut self.instructions, Instruction { op, nullable, text })
    }

    /// The typed paths of a `JSON` as nested objects that may hold anything else. Of two paths of
    /// which one leads through the other's value, the first counts: none could satisfy both.
    fn json(&mut self, paths: &[(&[String], &Type)]) -> Index {
        let mut members: Vec<Member<'_>> = Vec::new();
        for (path, type_) in paths {
            let Some((name, below)) = path.split_first() else {
                continue;
            };
            if members.iter().any(|member| member.name == name) {
                continue;
            }
            members.push(if below.is_empty() {
                Member {
                    name,
                    instruction: self.type_(type_, UnknownFields::Forward),
                    required: is_required(type_),
                }
            } else {
                let below: Vec<_> = paths
                    .iter()
                    .filter(|(path, _)| path.first() == Some(name) && path.len() > 1)
                    .map(|(path, type_)| (&path[1..], *type_))
                    .collect();
                let required = below.iter().any(|(_, type_)| is_required(type_));
                let typed = below
                    .iter()
                    .map(|(path, type_)| format!("{} {}", path.join("."), type_.text));
                let text = format!("JSON({})", typed.collect::<Vec<_>>().join(", "));
                let shape = self.json(&below);
                Member {
                    name,
                    instruction: self.add(Op::Object(shape), !required, &text),
                    required,
                }
            });
        }
        self.add_shape(&members, UnknownFields::Forward)
    }
}

fn is_required(type_: &Type) -> bool {
    !matches!(type_.kind, Kind::Nullable(_))
}

fn push<T>(list: &mut Vec<T>, item: T) -> Index {
    list.push(item);
    place(list.len() - 1)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a model's file is far shorter than 4 GiB"
)]
fn place(index: usize) -> Index {
    index as Index
}
