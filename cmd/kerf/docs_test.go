package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

func reference(t *testing.T) string {
	t.Helper()
	content, err := os.ReadFile("../../docs/reference/plan.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func TestTheReferenceNamesEveryFlagAndEveryField(t *testing.T) {
	text := reference(t)
	c, _, err := command("kerf").Find([]string{"plan"})
	if err != nil {
		t.Fatal(err)
	}
	c.Flags().VisitAll(func(f *pflag.Flag) {
		if f.Name != "help" && !strings.Contains(text, "`--"+f.Name+"`") {
			t.Errorf("--%s is not in the reference", f.Name)
		}
	})
	explained, _, _ := kerf(t, "", "plan", "-f", "testdata/cluster.yaml", "-o", "json", "--explain", "db")
	plain, _, _ := kerf(t, "", "plan", "-f", "testdata/cluster.yaml", "-o", "json")
	fields := regexp.MustCompile(`(?m)^ +"([a-zA-Z]+)": `).FindAllStringSubmatch(explained+plain, -1)
	if len(fields) < 100 {
		t.Fatalf("there are %d fields", len(fields))
	}
	resources := map[string]bool{"cpu": true, "memory": true, "pods": true}
	for _, field := range fields {
		if !resources[field[1]] && !strings.Contains(text, "`"+field[1]+"`") {
			t.Errorf("field %s is not in the reference", field[1])
		}
	}
}

func TestTheCataloguesOfTheReferenceCanBePlannedWith(t *testing.T) {
	blocks := regexp.MustCompile("(?s)```(csv|json)\n(.*?)```").FindAllStringSubmatch(reference(t), -1)
	if len(blocks) != 2 {
		t.Fatalf("there are %d", len(blocks))
	}
	for _, block := range blocks {
		file := filepath.Join(t.TempDir(), "types."+block[1])
		if err := os.WriteFile(file, []byte(block[2]), 0o600); err != nil {
			t.Fatal(err)
		}
		a := planned(t, "", "-f", "testdata/web.yaml", "-f", "../../examples/provisioner.yaml", "--catalog", file)
		if len(a.Machines) == 0 || a.Machines[0].CapacityType != "spot" || a.Machines[0].PricePerHour > 0.06 {
			t.Errorf("%s: %+v", block[1], a.Machines)
		}
	}
}
