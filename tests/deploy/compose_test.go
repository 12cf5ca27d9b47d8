package deploy

import (
	"context"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"sigs.k8s.io/yaml"
)

const composed = "../../deploy/compose.yaml"

// loaded reads a compose file as docker compose does: by the schema of the specification, in which a key that there isn't is an error,
// and with what services say of each other.
func loaded(file string) (*types.Project, error) {
	options, err := cli.NewProjectOptions([]string{file}, cli.WithResolvedPaths(true), cli.WithConsistency(true))
	if err != nil {
		return nil, err
	}
	return options.LoadProject(context.Background())
}

// staged has what a service mounts of this repository, at the paths where it sees it.
func staged(t *testing.T, service types.ServiceConfig) string {
	t.Helper()
	root := t.TempDir()
	for _, volume := range service.Volumes {
		if volume.Type != types.VolumeTypeBind {
			continue
		}
		info, err := os.Stat(volume.Source)
		if err != nil {
			t.Fatalf("%s mounts what isn't there: %v", service.Name, err)
		}
		if !volume.ReadOnly {
			t.Errorf("%s may write to %s", service.Name, volume.Source)
		}
		target := filepath.Join(root, volume.Target)
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			t.Fatal(err)
		}
		if info.IsDir() {
			err = os.CopyFS(target, os.DirFS(volume.Source))
		} else {
			var text []byte
			if text, err = os.ReadFile(volume.Source); err == nil {
				err = os.WriteFile(target, text, 0o644)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func strictYAML(t *testing.T, file string, into any) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.UnmarshalStrict(text, into); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

// succeeds runs one of the programs that a variable names; without the variable it isn't asked for.
func succeeds(t *testing.T, variable string, arguments ...string) {
	t.Helper()
	program := os.Getenv(variable)
	if program == "" {
		t.Logf("%s isn't set", variable)
		return
	}
	if said, err := exec.Command(program, arguments...).CombinedOutput(); err != nil {
		t.Errorf("%s %v: %v\n%s", program, arguments, err, said)
	}
}

// isServed says whether a service of the project listens where an address of another one leads.
func isServed(t *testing.T, project *types.Project, address string, ports ...string) {
	t.Helper()
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := project.GetService(host); err != nil || !slices.Contains(ports, port) {
		t.Errorf("nobody listens at %s", address)
	}
}

func TestTheComposeFileIsRightAndSoIsWhatItMounts(t *testing.T) {
	project, err := loaded(composed)
	if err != nil {
		t.Fatal(err)
	}
	roots := map[string]string{}
	for name, service := range project.Services {
		roots[name] = staged(t, service)
		if name != "gateway" && !strings.Contains(service.Image, ":") {
			t.Errorf("%s: which version of %s?", name, service.Image)
		}
		for _, port := range service.Ports {
			if port.HostIP != "127.0.0.1" {
				t.Errorf("%s: port %s is open to everybody", name, port.Published)
			}
		}
	}
	build := project.Services["gateway"].Build
	if _, err := os.Stat(filepath.Join(build.Context, build.Dockerfile)); err != nil {
		t.Error(err)
	}
	succeeds(t, "FOREBAY", "check", "--config", filepath.Join(roots["gateway"], "etc/forebay/forebay.toml"))
	succeeds(t, "PROMTOOL", "check", "config", filepath.Join(roots["prometheus"], "etc/prometheus/prometheus.yaml"))

	kafka := project.Services["kafka"].Environment
	isServed(t, project, strings.TrimPrefix(*kafka["KAFKA_ADVERTISED_LISTENERS"], "PLAINTEXT://"), "9092")
	load := project.Services["load"]
	address, err := url.Parse(*load.Environment["FOREBAY_URL"])
	if err != nil {
		t.Fatal(err)
	}
	isServed(t, project, address.Host, "8080")
	scenario := load.Command[len(load.Command)-1]
	if _, err := os.Stat(filepath.Join(roots["load"], scenario)); err != nil {
		t.Error(err)
	}
}

func TestGrafanaFindsPrometheusAndTheDashboards(t *testing.T) {
	project, err := loaded(composed)
	if err != nil {
		t.Fatal(err)
	}
	grafana := project.Services["grafana"]
	root := staged(t, grafana)
	var sources struct {
		APIVersion  int `json:"apiVersion"`
		Datasources []struct {
			Name, UID, Type, Access, URL string
			IsDefault                    bool              `json:"isDefault"`
			JSONData                     map[string]string `json:"jsonData"`
		}
	}
	provisioning := filepath.Join(root, "etc/grafana/provisioning")
	strictYAML(t, filepath.Join(provisioning, "datasources/forebay.yaml"), &sources)
	address, err := url.Parse(sources.Datasources[0].URL)
	if err != nil {
		t.Fatal(err)
	}
	isServed(t, project, address.Host, "9090")
	var boards struct {
		APIVersion int `json:"apiVersion"`
		Providers  []struct {
			Name, Type      string
			DisableDeletion bool `json:"disableDeletion"`
			Options         struct{ Path string }
		}
	}
	strictYAML(t, filepath.Join(provisioning, "dashboards/forebay.yaml"), &boards)
	found, err := filepath.Glob(filepath.Join(root, boards.Providers[0].Options.Path, "*.json"))
	if err != nil || len(found) != 4 {
		t.Errorf("%v %v", found, err)
	}
	home := *grafana.Environment["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
	if _, err := os.Stat(filepath.Join(root, home)); err != nil {
		t.Error(err)
	}
}

// What is wrong in a compose file is found: a key that there isn't, a service that there isn't, a file that there isn't.
func TestAWrongComposeFileIsRefused(t *testing.T) {
	text, err := os.ReadFile(composed)
	if err != nil {
		t.Fatal(err)
	}
	for _, wrong := range [][2]string{{"read_only: true", "readonly: true"}, {"      - prometheus\n", "      - promtheus\n"}, {"retries: 24", "retries: [24]"}} {
		file := filepath.Join(t.TempDir(), "compose.yaml")
		changed := strings.Replace(string(text), wrong[0], wrong[1], 1)
		if changed == string(text) {
			t.Fatalf("there is no %q", wrong[0])
		}
		if err := os.WriteFile(file, []byte(changed), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := loaded(file); err == nil {
			t.Errorf("%q is let in", wrong[1])
		}
	}
}
