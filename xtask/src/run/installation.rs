//! What Windows would install from an INF file, as the manifest of a machine.
//!
//! Of the models sections the device installer takes the one of each manufacturer whose target
//! fits the running system best ("INF Manufacturer Section"); of each model, the install section
//! that is decorated for the architecture ("INF DDInstall Section"). From there on: services
//! ("INF AddService Directive"), values ("INF AddReg Directive", "INF DDInstall.HW Section") and
//! filters ("INF AddFilter Directive", and the values UpperFilters and LowerFilters).

mod values;

use eduwdm_package::{
    inf::{
        Document, Entry, Section,
        decoration::{Architecture, Target, number},
    },
    lint::walk::Walk,
};
use nthost_protocol::manifest::{DriverImage, RegistryData, RegistryValue, Role};

use values::{Write, add};

/// What nthost tells drivers of its version: `RtlGetVersion`.
const SYSTEM: ((u32, u32), u32) = ((10, 0), 19041);
/// `SPSVCINST_ASSOCSERVICE`: the service is the device's function driver.
const FUNCTION_DRIVER: u32 = 2;
/// `SERVICE_DEMAND_START`: loaded for a device alone.
const DEMAND_START: u32 = 3;

/// What is installed.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Installation {
    /// The drivers, in the order in which they are loaded.
    pub drivers: Vec<DriverImage>,
    /// What the file says and the machine does not do, with the line.
    pub left_out: Vec<String>,
}

/// A service of the file.
struct Service {
    image: DriverImage,
    start: u32,
    is_function: bool,
}

/// A filter of one model, and whether it is above the function driver.
struct Filter {
    service: String,
    role: Role,
    line: u32,
}

/// Reads a file. Of its models those count that have one of these ids; all, if none is given.
///
/// # Errors
///
/// If it installs no driver on the system that nthost is.
pub fn of(document: &Document, ids: &[String]) -> Result<Installation, String> {
    if let Some(error) = document.errors.first() {
        return Err(format!("line {}: {}", error.line, error.message));
    }
    let mut reader = Reader {
        walk: Walk::new(document),
        document,
        services: Vec::new(),
        left_out: Vec::new(),
    };
    let models = reader.models()?;
    let all: Vec<_> = models.iter().flat_map(|(ids, _)| ids.clone()).collect();
    let is_wanted =
        |model: &[String]| ids.is_empty() || model.iter().any(|id| ids.iter().any(|w| same(w, id)));
    let mut installed = 0;
    for (model, section) in models.into_iter().filter(|(model, _)| is_wanted(model)) {
        installed += 1;
        reader.model(&model, section);
    }
    if installed == 0 {
        return Err(format!(
            "no model has one of the ids {}; there are {}",
            ids.join(", "),
            all.join(", ")
        ));
    }
    let (drivers, unused): (Vec<_>, Vec<_>) = reader.services.into_iter().partition(|service| {
        service.is_function || service.image.role != Role::Function || service.start < DEMAND_START
    });
    for service in unused {
        reader.left_out.push(format!(
            "the service {}, which starts on demand and belongs to no device here",
            service.image.service
        ));
    }
    if drivers.is_empty() {
        return Err("it installs no driver".to_owned());
    }
    reader.left_out.dedup();
    Ok(Installation {
        drivers: drivers.into_iter().map(|service| service.image).collect(),
        left_out: reader.left_out,
    })
}

fn same(left: &str, right: &str) -> bool {
    left.eq_ignore_ascii_case(right)
}

/// Whether a target is for this system, and how well it fits it: the higher, the better.
fn rank(target: Target) -> Option<((u32, u32), u32)> {
    let rank = (target.version, target.build.unwrap_or(0));
    let fits = target.architecture == Some(Architecture::Amd64) && rank <= SYSTEM;
    fits.then_some(rank)
}

struct Reader<'d> {
    walk: Walk<'d>,
    document: &'d Document,
    services: Vec<Service>,
    left_out: Vec<String>,
}

impl<'d> Reader<'d> {
    /// The models for this system: their ids, and their install sections.
    fn models(&self) -> Result<Vec<(Vec<String>, &'d Section)>, String> {
        let Some(manufacturers) = self.document.section("Manufacturer") else {
            let primitive = self.document.section("DefaultInstall.NTamd64");
            let section = primitive.ok_or("it has neither [Manufacturer] nor [DefaultInstall]")?;
            return Ok(vec![(Vec::new(), section)]);
        };
        let mut models = Vec::new();
        for entry in &manufacturers.entries {
            let targets = entry.values.iter().skip(1).filter_map(|decoration| {
                let target = Target::parse(&decoration.text)?;
                Some((rank(target)?, target, &decoration.text))
            });
            let Some((_, target, decoration)) = targets.max_by_key(|(rank, ..)| *rank) else {
                continue;
            };
            let name = format!("{}.{decoration}", entry.value(0));
            let section = self.document.section(&name);
            let section = section.ok_or_else(|| format!("[{name}] is missing"))?;
            for model in &section.entries {
                let install = model.value(0);
                let install = self
                    .walk
                    .install_section(install, target)
                    .ok_or_else(|| format!("line {}: [{install}] is missing", model.line))?;
                let ids = model.values.iter().skip(1).map(|id| id.text.clone());
                models.push((ids.filter(|id| !id.is_empty()).collect(), install));
            }
        }
        if models.is_empty() {
            return Err(format!(
                "no models section is for NTamd64 and Windows {}.{}, build {}",
                SYSTEM.0.0, SYSTEM.0.1, SYSTEM.1
            ));
        }
        Ok(models)
    }

    /// The section, and those in this file that its `Needs` names.
    fn with_needs(&mut self, section: &'d Section) -> Vec<&'d Section> {
        let mut found = vec![section];
        for entry in section.entries.iter().filter(|entry| entry.is("Needs")) {
            for name in &entry.values {
                match self.document.section(&name.text) {
                    Some(needed) => found.push(needed),
                    None => self.left_out.push(format!(
                        "line {}: [{}], which is in another file",
                        entry.line, name.text
                    )),
                }
            }
        }
        found
    }

    /// The entries with this key in a section that belongs to an install section.
    fn entries(&mut self, install: &Section, suffix: &str, key: &str) -> Vec<&'d Entry> {
        let name = format!("{}.{suffix}", install.name);
        let Some(section) = self.document.section(&name) else {
            return Vec::new();
        };
        let sections = self.with_needs(section);
        let entries = sections.into_iter().flat_map(|section| &section.entries);
        entries.filter(|entry| entry.is(key)).collect()
    }

    /// What the add-registry sections that entries name write.
    fn writes(&mut self, entries: &[&'d Entry]) -> Vec<Write> {
        let mut writes = Vec::new();
        for name in entries.iter().flat_map(|entry| &entry.values) {
            let section = self.document.section(&name.text);
            for entry in section.into_iter().flat_map(|section| &section.entries) {
                match values::read(entry) {
                    Ok(write) => writes.push(write),
                    Err(why) => self.left_out.push(format!("line {}: {why}", entry.line)),
                }
            }
        }
        writes
    }

    /// Installs a model.
    fn model(&mut self, ids: &[String], install: &'d Section) {
        let mut function = None;
        for entry in self.entries(install, "Services", "AddService") {
            let name = entry.value(0);
            if name.is_empty() {
                continue;
            }
            let index = self.service(name, entry.value(2));
            if number(entry.value(1)).is_some_and(|flags| flags & FUNCTION_DRIVER != 0)
                && let Some(index) = index
            {
                function = Some(index);
                let service = &mut self.services[index];
                service.is_function = true;
                add_ids(&mut service.image.hardware_ids, ids);
            }
        }
        let lists = self.entries(install, "HW", "AddReg");
        let mut filters = self.filters(install);
        for write in self.writes(&lists) {
            self.device_value(write, function, &mut filters);
        }
        for filter in filters {
            let known = |service: &&mut Service| same(&service.image.service, &filter.service);
            match self.services.iter_mut().find(known) {
                Some(service) => {
                    service.image.role = filter.role;
                    add_ids(&mut service.image.hardware_ids, ids);
                }
                None => self.left_out.push(format!(
                    "line {}: the filter {}, which this file does not install",
                    filter.line, filter.service
                )),
            }
        }
        for entry in install.entries.iter().filter(|entry| entry.is("AddReg")) {
            self.left_out.push(format!(
                "line {}: the values of the device's software key",
                entry.line
            ));
        }
    }

    /// A value of the hardware key, or what Windows makes of it.
    fn device_value(&mut self, write: Write, function: Option<usize>, filters: &mut Vec<Filter>) {
        let line = write.line;
        let name = write.value.name.to_ascii_lowercase();
        let role = match name.as_str() {
            "upperfilters" => Some(Role::UpperFilter),
            "lowerfilters" => Some(Role::LowerFilter),
            _ => None,
        };
        let is_direct = write.value.key.is_empty();
        if let (true, Some(role)) = (is_direct, role) {
            let services = match write.value.data {
                RegistryData::MultiString(services) => services,
                RegistryData::String(service) => vec![service],
                _ => Vec::new(),
            };
            filters.extend(services.into_iter().map(|service| Filter {
                service,
                role,
                line,
            }));
            return;
        }
        let Some(function) = function else {
            self.left_out.push(format!(
                "line {line}: a value of a device without a driver here"
            ));
            return;
        };
        let image = &mut self.services[function].image;
        if is_direct && name == "security" {
            if let RegistryData::String(text) = write.value.data {
                image.security = Some(text);
            }
        } else if is_direct
            && ["devicetype", "devicecharacteristics", "exclusive"].contains(&&*name)
        {
            self.left_out
                .push(format!("line {line}: {}", write.value.name));
        } else if let Err(other) = add(&mut image.device_values, write) {
            self.left_out.push(format!(
                "line {line}: {}, of which another model has said otherwise: all devices of a \
                 driver have the same values here",
                other.name
            ));
        }
    }

    /// The filters that `AddFilter` names.
    fn filters(&mut self, install: &Section) -> Vec<Filter> {
        let mut filters = Vec::new();
        for entry in self.entries(install, "Filters", "AddFilter") {
            let section = self.document.section(entry.value(2));
            let position = section.and_then(|section| section.value("FilterPosition"));
            let role = match position.map(str::to_ascii_lowercase).as_deref() {
                Some("upper") => Role::UpperFilter,
                Some("lower") => Role::LowerFilter,
                _ => {
                    self.left_out.push(format!(
                        "line {}: the filter {}, whose FilterPosition is not said",
                        entry.line,
                        entry.value(0)
                    ));
                    continue;
                }
            };
            filters.push(Filter {
                service: entry.value(0).to_owned(),
                role,
                line: entry.line,
            });
        }
        filters
    }

    /// A service by its name and its section, which several models may name: its place in the
    /// list. None if it is no driver that could be loaded.
    fn service(&mut self, name: &str, section: &str) -> Option<usize> {
        let known = |service: &Service| same(&service.image.service, name);
        if let Some(index) = self.services.iter().position(known) {
            return Some(index);
        }
        let Some(section) = self.document.section(section) else {
            self.left_out
                .push(format!("the service {name}: [{section}] is missing"));
            return None;
        };
        let kind = section.value("ServiceType").and_then(number);
        let binary = section.value("ServiceBinary").unwrap_or_default();
        let binary = binary.rsplit('\\').next().unwrap_or_default();
        // SERVICE_KERNEL_DRIVER
        if kind != Some(1) || binary.is_empty() {
            self.left_out.push(format!(
                "line {}: the service {name}, which is no kernel driver",
                section.line
            ));
            return None;
        }
        let start = section.value("StartType").and_then(number);
        let start = start.unwrap_or(DEMAND_START);
        let mut values = Vec::new();
        if start != DEMAND_START {
            values.push(RegistryValue {
                key: String::new(),
                name: "Start".to_owned(),
                data: RegistryData::Dword(start),
            });
        }
        let entries = section.entries.iter();
        let lists: Vec<_> = entries.filter(|entry| entry.is("AddReg")).collect();
        for write in self.writes(&lists) {
            // One list only says each value once; what comes later counts.
            if let Err(value) = add(&mut values, write) {
                let is = |old: &&mut RegistryValue| {
                    same(&old.key, &value.key) && same(&old.name, &value.name)
                };
                if let Some(old) = values.iter_mut().find(is) {
                    *old = value;
                }
            }
        }
        self.services.push(Service {
            image: DriverImage {
                service: name.to_owned(),
                image: binary.to_owned(),
                role: Role::Function,
                hardware_ids: Vec::new(),
                service_values: values,
                device_values: Vec::new(),
                security: None,
            },
            start,
            is_function: false,
        });
        Some(self.services.len() - 1)
    }
}

fn add_ids(known: &mut Vec<String>, ids: &[String]) {
    for id in ids {
        if !known.iter().any(|other| same(other, id)) {
            known.push(id.clone());
        }
    }
}

#[cfg(test)]
mod tests;
