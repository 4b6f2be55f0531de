//! OpenLDAP's slapd on loopback, with a private configuration and a directory loaded before it starts.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Seek as _, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use tempfile::TempDir;

use super::directory::{self, Directory, SUFFIX};
use super::process::{self, Process};
use super::rig::Rig;
use super::tls;

pub(crate) const SLAPD: &str = "/usr/sbin/slapd";
const SLAPADD: &str = "/usr/sbin/slapadd";

/// An account that may read everything, without a size limit.
pub(crate) const READER_DN: &str = "cn=reader,dc=example,dc=org";
/// An account that may read everything, but is cut off with result 4 after [`SIZE_LIMIT`] entries, paged or not.
pub(crate) const LIMITED_DN: &str = "cn=limited,dc=example,dc=org";
/// The password of both.
pub(crate) const READER_PASSWORD: &str = "reader-password-1";
/// How many entries [`LIMITED_DN`] and anonymous clients get of one search.
pub(crate) const SIZE_LIMIT: usize = 100;

/// How a server differs from the usual one.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Options {
    pub(crate) tls: Tls,
    /// Leaves the names of deleted and renamed people in their groups, as servers without such an overlay do.
    pub(crate) keep_stale_members: bool,
}

/// Whether it serves ldaps and StartTLS, and with which certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Tls {
    #[default]
    Off,
    /// For 127.0.0.1 and localhost, signed by [`Slapd::ca_file`].
    Good,
    /// Signed by the same authority, for a host of another name.
    WrongHost,
    /// As `Good`, and a client certificate of the same authority is demanded; `client.pem` and `client.key` stand for [`READER_DN`].
    Demanding,
}

/// A running slapd. Dropping it kills it and deletes its files.
#[derive(Debug)]
pub(crate) struct Slapd {
    port: u16,
    tls_port: u16,
    admin_password: String,
    process: Option<Process>,
    folder: TempDir,
}

/// An entry as a search gave it, attribute names as the server wrote them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) dn: String,
    pub(crate) attributes: BTreeMap<String, Vec<String>>,
}

impl Slapd {
    /// The usual server: no TLS, members kept in step when people are renamed or deleted.
    pub(crate) fn start(rig: &Rig, directory: &Directory) -> Self {
        Self::start_with(rig, directory, Options::default())
    }

    /// A server of another kind. `_rig` is the proof that slapd is installed.
    pub(crate) fn start_with(_rig: &Rig, directory: &Directory, options: Options) -> Self {
        let folder = tempfile::tempdir().expect("a folder for slapd");
        let admin_password = format!("admin-{}", uuid::Uuid::now_v7().simple());
        let path = |name: &str| folder.path().join(name);
        match options.tls {
            Tls::Off => {}
            Tls::Good => tls::make_certificates(folder.path(), "IP:127.0.0.1,DNS:localhost"),
            Tls::Demanding => {
                tls::make_certificates(folder.path(), "IP:127.0.0.1,DNS:localhost");
                tls::make_client(folder.path());
            }
            Tls::WrongHost => tls::make_certificates(folder.path(), "DNS:elsewhere.example.org"),
        }
        fs::create_dir(path("db")).expect("the database folder");
        fs::write(path("slapd.conf"), configuration(&folder, &admin_password, options)).expect("slapd.conf");
        fs::write(path("directory.ldif"), format!("{}{}", directory.to_ldif(), accounts())).expect("the LDIF");
        run(
            Command::new(SLAPADD).arg("-q").arg("-f").arg(path("slapd.conf")).arg("-l").arg(path("directory.ldif")),
            "",
        );

        let mut slapd = Self { port: 0, tls_port: process::free_port(), admin_password, process: None, folder };
        let (port, process) = process::start_on_free_port(
            "slapd",
            &slapd.log_file(),
            |port| slapd.command(port, options.tls),
            |port| slapd.answers_on(port),
        );
        (slapd.port, slapd.process) = (port, Some(process));
        slapd
    }

    /// `ldap://127.0.0.1:PORT`; also for StartTLS.
    pub(crate) fn url(&self) -> String {
        format!("ldap://127.0.0.1:{}", self.port)
    }

    /// `ldaps://127.0.0.1:PORT`, if it was started with TLS; the certificate is good for localhost too.
    pub(crate) fn tls_url(&self) -> String {
        format!("ldaps://127.0.0.1:{}", self.tls_port)
    }

    /// The certificate authority of its certificate, PEM.
    pub(crate) fn ca_file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// Carries out change records (`changetype: modify` and the like; RFC 2849) as the administrator.
    pub(crate) fn modify(&self, ldif: &str) {
        run(&mut self.client("ldapmodify"), ldif);
    }

    /// Adds the entries of an LDIF.
    pub(crate) fn add(&self, ldif: &str) {
        run(self.client("ldapmodify").arg("-a"), ldif);
    }

    /// Deletes one entry.
    pub(crate) fn delete(&self, dn: &str) {
        run(self.client("ldapdelete").arg(dn), "");
    }

    /// Gives an entry another relative name, `uid=new`; the old one is not kept.
    pub(crate) fn rename(&self, dn: &str, rdn: &str) {
        run(self.client("ldapmodrdn").args(["-r", dn, rdn]), "");
    }

    /// All entries that match, with the attributes named, read as the administrator by OpenLDAP's own client.
    pub(crate) fn search(&self, filter: &str, attributes: &[&str]) -> Vec<Entry> {
        let mut command = self.client("ldapsearch");
        command.args(["-LLL", "-o", "ldif-wrap=no", "-b", SUFFIX, filter]).args(attributes);
        run(&mut command, "").split("\n\n").filter(|block| !block.trim().is_empty()).map(Entry::parse).collect()
    }

    /// The entryUUID of every person, by uid.
    pub(crate) fn entry_uuids(&self) -> BTreeMap<String, String> {
        let people = self.search("(objectClass=inetOrgPerson)", &["uid", "entryUUID"]);
        people.iter().map(|person| (person.first("uid"), person.first("entryUUID"))).collect()
    }

    /// Kills it; its data stays.
    pub(crate) fn stop(&mut self) {
        self.process = None;
    }

    /// What slapd logged: one line for each operation (`stats`).
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.log_file()).expect("slapd's log")
    }

    fn log_file(&self) -> PathBuf {
        self.folder.path().join("slapd.log")
    }

    fn command(&self, port: u16, tls: Tls) -> Command {
        let mut urls = format!("ldap://127.0.0.1:{port}");
        if tls != Tls::Off {
            urls = format!("{urls} ldaps://127.0.0.1:{}", self.tls_port);
        }
        let mut command = Command::new(SLAPD);
        command.args(["-d", "stats", "-h", &urls, "-f"]).arg(self.folder.path().join("slapd.conf"));
        command
    }

    /// Whether this very server answers: the password is its own.
    fn answers_on(&self, port: u16) -> bool {
        let mut command = Command::new("ldapwhoami");
        command.args(["-x", "-H", &format!("ldap://127.0.0.1:{port}"), "-D", &admin_dn(), "-w", &self.admin_password]);
        command.env("LDAPNOINIT", "1").stdout(Stdio::null()).stderr(Stdio::null());
        command.status().expect("ldapwhoami").success()
    }

    fn client(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.args(["-x", "-H", &self.url(), "-D", &admin_dn(), "-w", &self.admin_password]);
        command
    }
}

impl Entry {
    /// The first value of an attribute that has to be there.
    pub(crate) fn first(&self, attribute: &str) -> String {
        let value = self.attributes.get(attribute).and_then(|values| values.first());
        value.unwrap_or_else(|| panic!("{} has no {attribute}", self.dn)).clone()
    }

    fn parse(block: &str) -> Self {
        let mut entry = Self::default();
        for line in block.lines().filter(|line| !line.is_empty()) {
            let (name, rest) = line.split_once(':').unwrap_or_else(|| panic!("not LDIF: {line}"));
            let value = match rest.strip_prefix(':') {
                Some(encoded) => {
                    String::from_utf8(BASE64.decode(encoded.trim()).expect("base64")).expect("a text attribute")
                }
                None => rest.trim_start().to_owned(),
            };
            if name == "dn" {
                entry.dn = value;
            } else {
                entry.attributes.entry(name.to_owned()).or_default().push(value);
            }
        }
        entry
    }
}

fn admin_dn() -> String {
    format!("cn=admin,{SUFFIX}")
}

fn accounts() -> String {
    let mut ldif = String::new();
    for (dn, cn) in [(READER_DN, "reader"), (LIMITED_DN, "limited")] {
        let attributes = [("cn", cn), ("userPassword", READER_PASSWORD)];
        directory::entry(&mut ldif, dn, &["organizationalRole", "simpleSecurityObject"], &attributes);
    }
    ldif
}

fn configuration(folder: &TempDir, admin_password: &str, options: Options) -> String {
    let folder = folder.path().display();
    let tls = match options.tls {
        Tls::Off => String::new(),
        Tls::Good | Tls::WrongHost | Tls::Demanding => format!(
            "TLSCACertificateFile {folder}/ca.pem\n\
             TLSCertificateFile {folder}/server.pem\n\
             TLSCertificateKeyFile {folder}/server.key\n{}",
            match options.tls {
                Tls::Demanding =>
                    format!("TLSVerifyClient demand\nauthz-regexp \"cn=client of one test\" \"{READER_DN}\"\n"),
                _ => String::new(),
            }
        ),
    };
    let members = if options.keep_stale_members { "" } else { "overlay memberof\nmemberof-refint TRUE\n" };
    // ppolicy is there for pwdAccountLockedTime, the nearest thing to a standard "this account is off".
    format!(
        "include /etc/ldap/schema/core.schema\n\
         include /etc/ldap/schema/cosine.schema\n\
         include /etc/ldap/schema/nis.schema\n\
         include /etc/ldap/schema/inetorgperson.schema\n\
         pidfile {folder}/slapd.pid\n\
         argsfile {folder}/slapd.args\n\
         modulepath /usr/lib/ldap\n\
         moduleload back_mdb\n\
         moduleload memberof\n\
         moduleload ppolicy\n\
         moduleload syncprov\n\
         {tls}\
         sizelimit {SIZE_LIMIT}\n\
         \n\
         database mdb\n\
         suffix {SUFFIX}\n\
         rootdn {admin}\n\
         rootpw {admin_password}\n\
         directory {folder}/db\n\
         maxsize 1073741824\n\
         index objectClass,entryUUID,entryCSN,uid,cn,mail,member eq\n\
         limits dn.exact=\"{READER_DN}\" size=unlimited time=unlimited\n\
         access to attrs=userPassword by anonymous auth by * none\n\
         access to * by * read\n\
         {members}\
         overlay ppolicy\n\
         overlay syncprov\n\
         syncprov-sessionlog 10000\n",
        admin = admin_dn(),
    )
}

/// Runs a tool to its end with something on its standard input, and gives what it printed.
fn run(command: &mut Command, input: &str) -> String {
    // A file, not a pipe: whoever writes a long input into a pipe must read the output at the same time.
    let mut file = tempfile::tempfile().expect("a file for the input");
    file.write_all(input.as_bytes()).and_then(|()| file.rewind()).expect("the input is written");
    // The machine's own ldap.conf has no say here.
    let output = command.env("LDAPNOINIT", "1").stdin(file).output();
    let output = output.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}
