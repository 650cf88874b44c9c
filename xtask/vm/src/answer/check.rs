//! Whether an answer file is one that Microsoft documents: its components and their attributes,
//! each setting in a pass in which it counts, the order of lists, and what belongs together.

use roxmltree::{Document, Node};

use super::documented::{Form, PASSES, Setting, settings};

const NAMESPACE: &str = "urn:schemas-microsoft-com:unattend";
const CONFIGURATION: &str = "http://schemas.microsoft.com/WMIConfig/2002/State";
/// What every component of a 64-bit Windows is found by.
const IDENTITY: [(&str, &str); 4] = [
    ("processorArchitecture", "amd64"),
    ("publicKeyToken", "31bf3856ad364e35"),
    ("language", "neutral"),
    ("versionScope", "nonSxS"),
];

struct Checker {
    settings: Vec<Setting>,
    faults: Vec<String>,
}

/// Every fault of a file, in words.
#[must_use]
pub fn check(file: &str) -> Vec<String> {
    let document = match Document::parse(file) {
        Ok(document) => document,
        Err(error) => return vec![format!("no XML: {error}")],
    };
    let mut checker = Checker {
        settings: settings().collect(),
        faults: Vec::new(),
    };
    checker.root(document.root_element());
    checker.faults
}

/// The elements in an element.
fn elements<'d>(node: Node<'d, 'd>) -> impl Iterator<Item = Node<'d, 'd>> {
    node.children().filter(Node::is_element)
}

fn name<'d>(node: Node<'d, 'd>) -> &'d str {
    node.tag_name().name()
}

/// The text of the element at a path below an element.
fn value<'d>(node: Node<'d, 'd>, path: &str) -> Option<&'d str> {
    let mut node = node;
    for step in path.split('/') {
        node = elements(node).find(|child| name(*child) == step)?;
    }
    node.text().map(str::trim)
}

impl Checker {
    fn fault(&mut self, node: Node<'_, '_>, what: &str) {
        let position = node.document().text_pos_at(node.range().start);
        let name = node.tag_name().name();
        self.faults
            .push(format!("line {}: {name}: {what}", position.row));
    }

    fn root(&mut self, root: Node<'_, '_>) {
        if !root.has_tag_name((NAMESPACE, "unattend")) {
            self.fault(root, "not the unattend of the documented namespace");
            return;
        }
        let mut before = None;
        for settings in elements(root) {
            let pass = settings.attribute("pass").unwrap_or_default();
            let place = PASSES.iter().position(|known| *known == pass);
            if name(settings) != "settings" || place.is_none() {
                self.fault(settings, "no settings of a pass that there is");
                continue;
            }
            if place <= before {
                self.fault(
                    settings,
                    "the passes are not in the order in which they run",
                );
            }
            before = place;
            let mut seen = Vec::new();
            for component in elements(settings) {
                let name = component.attribute("name").unwrap_or_default();
                if seen.contains(&name) {
                    self.fault(component, "a component twice in one pass");
                }
                seen.push(name);
                self.component(component, name, pass);
            }
        }
        self.together(root);
    }

    fn component(&mut self, component: Node<'_, '_>, name: &str, pass: &str) {
        if !self.settings.iter().any(|known| known.component == name) {
            self.fault(component, &format!("no component {name} is known"));
            return;
        }
        for (attribute, wanted) in IDENTITY {
            if component.attribute(attribute) != Some(wanted) {
                self.fault(component, &format!("{attribute} is not {wanted}"));
            }
        }
        self.group(component, name, "", pass);
    }

    /// Checks the settings in a group.
    fn group(&mut self, group: Node<'_, '_>, component: &str, above: &str, pass: &str) {
        let mut seen: Vec<(&str, bool)> = Vec::new();
        for node in elements(group) {
            let path = [above, name(node)].concat();
            let setting = self
                .settings
                .iter()
                .find(|known| known.component == component && known.path == path)
                .copied();
            let Some(setting) = setting else {
                self.fault(
                    node,
                    &format!("{component} has no documented setting {path}"),
                );
                continue;
            };
            if !setting.passes.split(',').any(|known| known == pass) {
                self.fault(node, &format!("does not count in the pass {pass}"));
            }
            let listed = node.attribute((CONFIGURATION, "action")) == Some("add");
            if let Some((_, before)) = seen.iter().find(|(other, _)| *other == name(node))
                && !(listed && *before)
            {
                self.fault(node, "twice, and no item of a list");
            }
            seen.push((name(node), listed));
            let text = node.text().unwrap_or_default().trim();
            match setting.form {
                Form::Group => self.group(node, component, &format!("{path}/"), pass),
                _ if elements(node).next().is_some() => self.fault(node, "takes no settings"),
                Form::Number if text.parse::<u32>().is_err() => self.fault(node, "takes a number"),
                Form::One(words) if !words.split('|').any(|word| word == text) => {
                    self.fault(node, &format!("takes one of {words}"));
                }
                Form::Text(most) if text.is_empty() || text.chars().count() > most => {
                    self.fault(node, &format!("takes a text of up to {most} characters"));
                }
                _ => {}
            }
        }
        self.order(group);
    }

    /// The items of a list are numbered from 1 on, in their order.
    fn order(&mut self, list: Node<'_, '_>) {
        let ordered = elements(list)
            .filter_map(|item| value(item, "Order").map(|order| (item, order)))
            .enumerate();
        for (index, (item, order)) in ordered {
            if order.parse() != Ok(index + 1) {
                self.fault(item, "Order does not count on from 1");
            }
        }
    }

    /// What one setting says of another.
    fn together(&mut self, root: Node<'_, '_>) {
        let all = |wanted: &'static str| {
            root.descendants()
                .filter(move |node| node.has_tag_name((NAMESPACE, wanted)))
        };
        for disk in all("Disk") {
            self.partitions(disk);
        }
        let disks: Vec<_> = all("Disk").collect();
        for to in all("InstallTo") {
            let partition = disks
                .iter()
                .filter(|disk| value(**disk, "DiskID") == value(to, "DiskID"))
                .flat_map(Node::descendants)
                .find(|node| {
                    node.has_tag_name((NAMESPACE, "ModifyPartition"))
                        && value(*node, "PartitionID") == value(to, "PartitionID")
                });
            if partition.and_then(|node| value(node, "Format")) != Some("NTFS") {
                self.fault(to, "names no partition that is made with NTFS");
            }
        }
        let accounts: Vec<_> = all("LocalAccount").collect();
        for logon in all("AutoLogon") {
            let account = accounts
                .iter()
                .find(|account| value(**account, "Name") == value(logon, "Username"));
            let same =
                |path| account.and_then(|account| value(*account, path)) == value(logon, path);
            if account.is_none() || !same("Password/Value") || !same("Password/PlainText") {
                self.fault(logon, "names no account of this file with its password");
            }
            if value(logon, "LogonCount").is_none() {
                self.fault(logon, "needs LogonCount");
            }
        }
        if all("SynchronousCommand").count() > 1 {
            let list = all("FirstLogonCommands").next().unwrap_or(root);
            self.fault(list, "several commands run at the same time");
        }
    }

    /// A disk for UEFI: a system partition with FAT32, one reserved for Windows, and the last
    /// takes what is left. Source: "UEFI/GPT-based hard drive partitions".
    fn partitions(&mut self, disk: Node<'_, '_>) {
        let made: Vec<_> = disk
            .descendants()
            .filter(|node| node.has_tag_name((NAMESPACE, "CreatePartition")))
            .collect();
        let kinds: Vec<_> = made
            .iter()
            .filter_map(|node| value(*node, "Type"))
            .collect();
        if kinds != ["EFI", "MSR", "Primary"] {
            self.fault(disk, "the partitions are not EFI, MSR and Primary");
        }
        for (index, partition) in made.iter().enumerate() {
            let extends = value(*partition, "Extend") == Some("true");
            let sized = value(*partition, "Size").is_some();
            if extends == sized || extends != (index + 1 == made.len()) {
                self.fault(*partition, "each has a size, and the last extends instead");
            }
        }
        let changed = disk
            .descendants()
            .filter(|node| node.has_tag_name((NAMESPACE, "ModifyPartition")));
        for partition in changed {
            let kind = value(partition, "PartitionID")
                .and_then(|id| id.parse::<usize>().ok())
                .and_then(|id| kinds.get(id.checked_sub(1)?));
            let format = value(partition, "Format");
            let right = match kind {
                Some(&"EFI") => format == Some("FAT32"),
                Some(&"MSR") => format.is_none(),
                Some(_) => format == Some("NTFS"),
                None => false,
            };
            if !right {
                self.fault(
                    partition,
                    "is no partition of the disk, or has not its file system",
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Choices, file};
    use super::check;

    #[test]
    fn what_is_wrong_is_found_and_nothing_else() {
        let good = file(&Choices {
            edition: None,
            product_key: None,
            language: "en-US",
        });
        assert_eq!(check(&good), [""; 0]);
        for (from, to, finding) in [
            (
                "urn:schemas-microsoft-com:unattend",
                "urn:other",
                "namespace",
            ),
            (
                "pass=\"specialize\"",
                "pass=\"special\"",
                "pass that there is",
            ),
            (
                "pass=\"specialize\"",
                "pass=\"generalize\"",
                "does not count",
            ),
            (
                "pass=\"oobeSystem\"",
                "pass=\"offlineServicing\"",
                "order in which they run",
            ),
            (
                "name=\"Microsoft-Windows-Deployment\"",
                "name=\"Microsoft-Windows-Deploy\"",
                "no component",
            ),
            (
                "<Diagnostics>",
                "<Diagnostic/><Diagnostics>",
                "no documented setting",
            ),
            ("<AcceptEula>true", "<AcceptEula>yes", "one of true|false"),
            ("<Size>260", "<Size>some", "takes a number"),
            (
                "<ComputerName>EDUWDM",
                "<ComputerName>A-NAME-TOO-LONG-",
                "15 characters",
            ),
            (
                "<TimeZone>UTC</TimeZone>",
                "<TimeZone>UTC</TimeZone><TimeZone>UTC</TimeZone>",
                "twice",
            ),
            ("<Order>4</Order>", "<Order>5</Order>", "count on from 1"),
            ("<Format>FAT32", "<Format>NTFS", "file system"),
            ("<Type>MSR", "<Type>Primary", "EFI, MSR and Primary"),
            ("<Extend>true", "<Extend>false", "the last extends"),
            ("<Username>eduwdm", "<Username>someone", "names no account"),
            ("<LogonCount>3</LogonCount>", "", "needs LogonCount"),
            (
                "<HideEULAPage>true</HideEULAPage>",
                "<HideEULAPage><x/></HideEULAPage>",
                "takes no settings",
            ),
        ] {
            assert!(good.contains(from), "{from}");
            let faults = check(&good.replacen(from, to, 1));
            assert!(
                faults.iter().any(|fault| fault.contains(finding)),
                "{to}: {faults:?}"
            );
        }
        let other = good.replace("31bf3856ad364e35", "0123456789abcdef");
        assert_eq!(check(&other).len(), 6, "one for each component");
        let target = good.replace(
            "<DiskID>0</DiskID>\n            <PartitionID>3<",
            "<DiskID>0</DiskID>\n            <PartitionID>1<",
        );
        assert_eq!(check(&target).len(), 1, "{:?}", check(&target));
        let (before, after) = good.split_once("<SynchronousCommand").unwrap();
        let (command, after) = after.split_once("</SynchronousCommand>").unwrap();
        let second = command.replace("<Order>1", "<Order>2");
        let two = format!(
            "{before}<SynchronousCommand{command}</SynchronousCommand><SynchronousCommand{second}\
             </SynchronousCommand>{after}"
        );
        assert!(
            check(&two)[0].contains("at the same time"),
            "{:?}",
            check(&two)
        );
        assert!(
            check("<unattend")
                .first()
                .is_some_and(|fault| fault.contains("no XML"))
        );
    }
}
