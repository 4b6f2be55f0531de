#!/usr/bin/env bash
# Two SCIM filter parsers of unrelated authors read `A or B and C` from left to right, as `(A or B) and C`.
#
# Packages:  scim2-filter-parser 0.7.0 (PyPI); org.apache.directory.scimple:scim-spec-schema 1.0.0-M1 (Maven)
# Observed:  2026-11-30
# Seen:      for   userName eq "ann" or userName eq "bob" and title pr
#              scim2-filter-parser: WHERE ((… = 'ann') OR (… = 'bob')) AND (title IS NOT NULL), so that ann, who has
#              no title, is not found;
#              SCIMple: the outermost operator of its tree is AND, with the OR below it on the left.
#            With the parentheses written out, ann is found.
# Expected:  RFC 7644 section 3.4.2.2: "and" binds more tightly than "or"; the filter means ann, or else bob with a
#            title. Both packages are offered as SCIM 2.0 implementations.
# So what:   a client that relies on precedence gets other people from such servers, without an error. Always write
#            the parentheses, or ask one thing at a time, and check every hit against the question.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
export PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1

python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" -q install scim2-filter-parser==0.7.0
"$tmp/venv/bin/python" - >"$tmp/seen" <<'PY'
import sqlite3
from scim2_filter_parser.queries import SQLQuery

db = sqlite3.connect(":memory:")
db.execute("create table people (login text, title text)")
db.executemany("insert into people values (?, ?)", [("ann", None), ("bob", "Lead"), ("cleo", "Lead")])
columns = {("userName", None, None): "people.login", ("title", None, None): "people.title"}
for text in ('userName eq "ann" or userName eq "bob" and title pr',
             'userName eq "ann" or (userName eq "bob" and title pr)'):
    query = SQLQuery(text, "people", columns)
    where, values = query.where_sql, dict(query.params_dict)
    for key in values:
        where = where.replace("{%s}" % key, ":" + key)
    rows = db.execute("select login from people where " + where, values)
    print("scim2-filter-parser:", text, "->", " ".join(login for (login,) in rows))
PY

mkdir "$tmp/java"
cat >"$tmp/java/pom.xml" <<'XML'
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>finding</groupId><artifactId>finding</artifactId><version>1</version>
  <dependencies><dependency>
    <groupId>org.apache.directory.scimple</groupId><artifactId>scim-spec-schema</artifactId><version>1.0.0-M1</version>
  </dependency></dependencies>
</project>
XML
cat >"$tmp/java/Tree.java" <<'JAVA'
import org.apache.directory.scim.spec.filter.Filter;
import org.apache.directory.scim.spec.filter.LogicalExpression;

public class Tree {
    public static void main(String[] arguments) throws Exception {
        var top = (LogicalExpression) new Filter(arguments[0]).getExpression();
        System.out.println("SCIMple: " + top.getOperator() + " is outermost; left of it: " + top.getLeft().toFilter());
    }
}
JAVA
(cd "$tmp/java" && mvn -q -B -Dmaven.repo.local="$tmp/m2" dependency:copy-dependencies -DoutputDirectory=jars >"$tmp/mvn.log" 2>&1) ||
    { cat "$tmp/mvn.log"; exit 1; }
java -cp "$tmp/java/jars/*" "$tmp/java/Tree.java" 'userName eq "ann" or userName eq "bob" and title pr' \
    >>"$tmp/seen" 2>"$tmp/java.log"

cat "$tmp/seen"
cat >"$tmp/wanted" <<'TEXT'
scim2-filter-parser: userName eq "ann" or userName eq "bob" and title pr -> bob
scim2-filter-parser: userName eq "ann" or (userName eq "bob" and title pr) -> ann bob
SCIMple: AND is outermost; left of it: userName EQ "ann" OR userName EQ "bob"
TEXT
diff "$tmp/wanted" "$tmp/seen" && echo "as described" || { echo "CHANGED: the output is no longer as described"; exit 1; }
