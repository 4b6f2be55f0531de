#!/usr/bin/env bash
# Two spellings of one distinguished name are different names for @ldapjs/dn, and one name for another LDAP library.
#
# Packages:  @ldapjs/dn 1.1.0 (npm), beside com.unboundid:unboundid-ldapsdk 7.0.2 (Maven) for comparison
# Observed:  2026-11-30
# Seen:                                                              @ldapjs/dn    UnboundID
#            cn=Ann,ou=People,dc=example | CN=ann,OU=people,DC=Example   different     equal
#            cn=Ann  Lee,dc=example      | cn=Ann Lee,dc=example         different     equal
#            cn=a+sn=b,dc=example        | sn=b+cn=a,dc=example          equal         equal
# Expected:  RFC 4514 section 3 and RFC 4517 section 4.2.15 (distinguishedNameMatch): the types are case insensitive and
#            the values compare by their own rule, for cn, ou and dc without case and with runs of blanks as one
#            (RFC 4518).
# So what:   directories return member values in the spelling in which they were written, not in that of the entry. A
#            client that joins groups and people with `equals` drops members without an error.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
export npm_config_cache="$tmp/cache" npm_config_update_notifier=false

mkdir "$tmp/app"
cd "$tmp/app"
npm install --silent --no-audit --no-fund @ldapjs/dn@1.1.0
cat >pairs <<'TEXT'
cn=Ann,ou=People,dc=example|CN=ann,OU=people,DC=Example
cn=Ann  Lee,dc=example|cn=Ann Lee,dc=example
cn=a+sn=b,dc=example|sn=b+cn=a,dc=example
TEXT
cat >see.cjs <<'JS'
const { DN } = require("@ldapjs/dn");
const { readFileSync } = require("node:fs");

for (const pair of readFileSync("pairs", "utf8").trim().split("\n")) {
  const [one, other] = pair.split("|").map((text) => DN.fromString(text));
  console.log("@ldapjs/dn:", pair, one.equals(other));
}
JS
cat >pom.xml <<'XML'
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>finding</groupId><artifactId>finding</artifactId><version>1</version>
  <dependencies><dependency>
    <groupId>com.unboundid</groupId><artifactId>unboundid-ldapsdk</artifactId><version>7.0.2</version>
  </dependency></dependencies>
</project>
XML
cat >See.java <<'JAVA'
import com.unboundid.ldap.sdk.DN;
import java.nio.file.Files;
import java.nio.file.Path;

public class See {
    public static void main(String[] arguments) throws Exception {
        for (String pair : Files.readAllLines(Path.of("pairs"))) {
            String[] names = pair.split("\\|");
            System.out.println("UnboundID: " + pair + " " + DN.equals(names[0], names[1]));
        }
    }
}
JAVA
mvn -q -B -Dmaven.repo.local="$tmp/m2" dependency:copy-dependencies -DoutputDirectory=jars >mvn.log 2>&1 || { cat mvn.log; exit 1; }
{ node see.cjs; java -cp 'jars/*' See.java; } >seen

cat seen
cat >wanted <<'TEXT'
@ldapjs/dn: cn=Ann,ou=People,dc=example|CN=ann,OU=people,DC=Example false
@ldapjs/dn: cn=Ann  Lee,dc=example|cn=Ann Lee,dc=example false
@ldapjs/dn: cn=a+sn=b,dc=example|sn=b+cn=a,dc=example true
UnboundID: cn=Ann,ou=People,dc=example|CN=ann,OU=people,DC=Example true
UnboundID: cn=Ann  Lee,dc=example|cn=Ann Lee,dc=example true
UnboundID: cn=a+sn=b,dc=example|sn=b+cn=a,dc=example true
TEXT
diff wanted seen && echo "as described" || { echo "CHANGED: the output is no longer as described"; exit 1; }
