#!/usr/bin/env bash
# In a Go SCIM server library, two valid filters never match: emails.type eq "work", and a value with an escaped quote.
#
# Packages:  github.com/elimity-com/scim v0.0.0-20260728105928-2641426a1539 with github.com/scim2/filter-parser/v2
#            v2.3.1 (Go modules)
# Observed:  2026-11-30
# Seen:      ann has a work e-mail, title  the "boss"
#              emails.type eq "work"      -> no  (the target is not a complex attribute)
#              emails[type eq "work"]     -> yes
#              title eq "the \"boss\""    -> no  (the "boss" is not equal to the \"boss\")
#              title sw "the"             -> yes
#            Both filters pass the library's own Validate().
# Expected:  RFC 7644 section 3.4.2.2 has userType eq "Employee" and (emails.type eq "work") among its examples; and the
#            compared value is a JSON string, so \" means one quote character.
# So what:   no hit is not yet "not there". Look up by simple attributes, use the bracket form for sub-attributes, and
#            never create on the strength of one empty answer to a filter with an escape.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
export GOPATH="$tmp/go" GOCACHE="$tmp/go-build" GOFLAGS="-mod=mod -modcacherw -buildvcs=false" GOTOOLCHAIN=local CGO_ENABLED=0

mkdir "$tmp/app"
cd "$tmp/app"
cat >go.mod <<'MOD'
module finding

go 1.21

require (
	github.com/elimity-com/scim v0.0.0-20260728105928-2641426a1539
	github.com/scim2/filter-parser/v2 v2.3.1
)
MOD
cat >main.go <<'GO'
package main

import (
	"fmt"

	"github.com/elimity-com/scim/filter"
	"github.com/elimity-com/scim/schema"
)

func main() {
	ann := map[string]interface{}{
		"userName": "ann",
		"title":    `the "boss"`,
		"emails":   []interface{}{map[string]interface{}{"type": "work", "value": "ann@example.com"}},
	}
	for _, text := range []string{
		`emails.type eq "work"`,
		`emails[type eq "work"]`,
		`title eq "the \"boss\""`,
		`title sw "the"`,
	} {
		validator, err := filter.NewValidator(text, schema.CoreUserSchema())
		if err == nil {
			err = validator.Validate()
		}
		if err != nil {
			fmt.Println(text, "-> not valid:", err)
		} else if err = validator.PassesFilter(ann); err != nil {
			fmt.Println(text, "-> no:", err)
		} else {
			fmt.Println(text, "-> yes")
		}
	}
}
GO
go run -gcflags="all=-N -l" . >seen 2>run.log || { cat run.log; exit 1; }

cat seen
cat >wanted <<'TEXT'
emails.type eq "work" -> no: the target is not a complex attribute
emails[type eq "work"] -> yes
title eq "the \"boss\"" -> no: the resource does not pass the filter: the "boss" is not equal to the \"boss\"
title sw "the" -> yes
TEXT
diff wanted seen && echo "as described" || { echo "CHANGED: the output is no longer as described"; exit 1; }
