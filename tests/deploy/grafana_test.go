package deploy

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/table"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
)

const dashboards = "../../deploy/grafana"

// strictly reads a dashboard by Grafana's own types: a field that there isn't, or a value of another type, is an error.
func strictly(text []byte) string {
	var one dashboard.Dashboard
	said := ""
	// What is wrong nowhere is an error without words.
	if err := one.UnmarshalJSONStrict(text); err != nil {
		said += err.Error()
	}
	if err := one.Validate(); err != nil {
		said += err.Error()
	}
	return said
}

func TestDashboardsAreWhatGrafanaReads(t *testing.T) {
	known := cog.NewRuntime()
	known.RegisterPanelcfgVariant(stat.VariantConfig())
	known.RegisterPanelcfgVariant(table.VariantConfig())
	known.RegisterPanelcfgVariant(timeseries.VariantConfig())
	known.RegisterDataqueryVariant(prometheus.VariantConfig())
	files, err := filepath.Glob(filepath.Join(dashboards, "*.json"))
	if err != nil || len(files) < 4 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if said := strictly(text); said != "" {
			t.Errorf("%s: %s", file, said)
		}
		for _, wrong := range [][2]string{{`"expr"`, `"exprs"`}, {`"showLegend": true`, `"showLegend": 1`}} {
			if strictly([]byte(strings.Replace(string(text), wrong[0], wrong[1], 1))) == "" {
				t.Errorf("%s: %s is let in", file, wrong[1])
			}
		}
	}
}
