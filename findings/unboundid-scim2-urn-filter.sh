#!/usr/bin/env bash
# A Java SCIM SDK accepts a filter that names a core attribute with its URN, and then matches nobody with it.
#
# Package:   com.unboundid.product.scim2:scim2-sdk-common 4.0.0 (Maven), Filter and FilterEvaluator
# Observed:  2026-11-30
# Seen:      ann as a JSON resource, of the schema urn:ietf:params:scim:schemas:core:2.0:User
#              urn:ietf:params:scim:schemas:core:2.0:User:userName sw "a"   -> false
#              userName sw "a"                                              -> true
#              userName eq "ANN"                                            -> true
#            Nothing is raised.
# Expected:  userName with the URN in front stands in RFC 7644 section 3.4.2.2 among the examples; section 3.10: it is
#            the same attribute as the short form. The evaluator looks for a member of that long name instead.
# So what:   a server built on it answers 200 and an empty list, which looks like "no such person". Send the short names
#            for core attributes, and the long ones only for extensions.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

cd "$tmp"
cat >pom.xml <<'XML'
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>finding</groupId><artifactId>finding</artifactId><version>1</version>
  <dependencies><dependency>
    <groupId>com.unboundid.product.scim2</groupId><artifactId>scim2-sdk-common</artifactId><version>4.0.0</version>
  </dependency></dependencies>
</project>
XML
cat >Ask.java <<'JAVA'
import com.fasterxml.jackson.databind.ObjectMapper;
import com.unboundid.scim2.common.filters.Filter;
import com.unboundid.scim2.common.utils.FilterEvaluator;

public class Ask {
    public static void main(String[] arguments) throws Exception {
        var ann = new ObjectMapper().readTree("""
            {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "id": "1", "userName": "ann"}""");
        for (String text : new String[] {
            "urn:ietf:params:scim:schemas:core:2.0:User:userName sw \"a\"",
            "userName sw \"a\"",
            "userName eq \"ANN\"",
        }) {
            System.out.println(text + " -> " + FilterEvaluator.evaluate(Filter.fromString(text), ann));
        }
    }
}
JAVA
mvn -q -B -Dmaven.repo.local="$tmp/m2" dependency:copy-dependencies -DoutputDirectory=jars >mvn.log 2>&1 || { cat mvn.log; exit 1; }
java -cp 'jars/*' Ask.java >seen 2>java.log

cat seen
cat >wanted <<'TEXT'
urn:ietf:params:scim:schemas:core:2.0:User:userName sw "a" -> false
userName sw "a" -> true
userName eq "ANN" -> true
TEXT
diff wanted seen && echo "as described" || { echo "CHANGED: the output is no longer as described"; exit 1; }
