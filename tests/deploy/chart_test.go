package deploy

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

const (
	chart = "../../deploy/helm/forebay"
	rules = "../../deploy/prometheus/forebay.rules.yaml"
	// Another value than the default for each key of values.yaml.
	every = "values/every.yaml"
	// What nobody can do without.
	least = "values/least.yaml"
	// Of Kubernetes, as the chart sees it.
	version = "1.33.0"
)

// The program, as go.mod has it.
func helm(t *testing.T) string {
	t.Helper()
	path, err := exec.Command("go", "tool", "-n", "helm").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(path))
}

func run(helm string, arguments ...string) ([]byte, string) {
	command := exec.Command(helm, arguments...)
	var out, said bytes.Buffer
	command.Stdout, command.Stderr = &out, &said
	if err := command.Run(); err != nil {
		return nil, err.Error() + ": " + said.String() + out.String()
	}
	return out.Bytes(), ""
}

func template(t *testing.T, helm string, values ...string) []byte {
	t.Helper()
	out, wrong := run(helm, append([]string{"template", "one", chart, "--namespace", "events", "--kube-version", version}, values...)...)
	if wrong != "" {
		t.Fatal(wrong)
	}
	return out
}

func objects(t *testing.T, text []byte) map[string][]any {
	t.Helper()
	all, err := decode(text)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func read(t *testing.T, path string) map[string]any {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var values map[string]any
	if err := yaml.Unmarshal(text, &values); err != nil {
		t.Fatal(err)
	}
	return values
}

// leaves calls with the path of each value. What is a map without content is a value itself.
func leaves(values map[string]any, path []string, call func([]string)) {
	for key, value := range values {
		below := append(append([]string{}, path...), key)
		if inner, is := value.(map[string]any); is && len(inner) > 0 {
			leaves(inner, below, call)
		} else {
			call(below)
		}
	}
}

func at(values map[string]any, path []string) (any, bool) {
	var found any = values
	for _, key := range path {
		inner, is := found.(map[string]any)
		if !is {
			return nil, false
		}
		if found, is = inner[key]; !is {
			return nil, false
		}
	}
	return found, true
}

// nested is a value at the end of a path of keys.
func nested(path []string, value any) map[string]any {
	if len(path) == 1 {
		return map[string]any{path[0]: value}
	}
	return map[string]any{path[0]: nested(path[1:], value)}
}

// Values of which every.yaml has the default, because others do nothing without it; what else they may be.
var switches = map[string]any{"spill.enabled": false, "networkPolicy.enabled": false}

// Values that do nothing beside another one of every.yaml; what that has to be instead.
var beside = map[string]string{"replicas": "autoscaling.enabled=false", "image.tag": "image.digest="}

func TestTheChartIsCleanAndWhatItMakesIsWhatTheApiHas(t *testing.T) {
	helm := helm(t)
	for _, values := range []string{least, every} {
		if _, wrong := run(helm, "lint", "--strict", chart, "--values", values); wrong != "" {
			t.Error(values, wrong)
		}
		objects(t, template(t, helm, "--values", values))
	}
	// The eldest that the chart is for: there a pod can't sleep before it stops.
	eldest := objects(t, template(t, helm, "--values", least, "--kube-version", "1.27.0"))
	if eldest["StatefulSet"][0].(*apps.StatefulSet).Spec.Template.Spec.Containers[0].Lifecycle != nil {
		t.Error("Kubernetes 1.27 knows no such preStop")
	}
}

func TestEachValueDoesSomething(t *testing.T) {
	helm, defaults, others := helm(t), read(t, filepath.Join(chart, "values.yaml")), read(t, every)
	all := template(t, helm, "--values", every)
	leaves(defaults, nil, func(path []string) {
		name := strings.Join(path, ".")
		if name == "config" {
			return // there is no default that could be taken
		}
		usual, _ := at(defaults, path)
		other, given := at(others, path)
		instead, is := switches[name]
		if !is {
			instead = usual
		}
		if !given || reflect.DeepEqual(other, instead) {
			t.Errorf("%s has no other value than the default in %s", name, every)
			return
		}
		if inner, is := other.(map[string]any); is {
			// Helm merges maps: what is to be gone has to be null, which no text may be.
			gone := map[string]any{}
			for key, value := range inner {
				gone[key] = nil
				if _, is := value.(string); is {
					gone[key] = "another"
				}
			}
			instead = gone
		}
		text, err := yaml.Marshal(nested(path, instead))
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "values.yaml")
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		with, more := all, []string{"--values", every}
		if set, is := beside[name]; is {
			more = append(more, "--set", set)
			with = template(t, helm, more...)
		}
		without := template(t, helm, append(more, "--values", file)...)
		objects(t, without)
		if bytes.Equal(with, without) {
			t.Errorf("%s does nothing", name)
		}
	})
}

func TestWrongValuesAreRefused(t *testing.T) {
	helm := helm(t)
	for _, wrong := range []string{
		"replicas=0", "replica=3", "image.digest=sha256:abc", "spill.quota=50 GB", "autoscaling.cpu=100", "topologySpread.zones=Maybe",
		"service.type=ExternalName", "secrets[0]=A_B", "config=",
	} {
		_, said := run(helm, "template", "one", chart, "--kube-version", version, "--values", least, "--set", wrong)
		key, _, _ := strings.Cut(wrong, "=")
		key, _, _ = strings.Cut(key, "[")
		key = key[strings.LastIndex(key, ".")+1:]
		if !strings.Contains(said, key) {
			t.Errorf("%s: %q", wrong, said)
		}
	}
}

func TestTheRulesAreThoseOfPrometheus(t *testing.T) {
	made := objects(t, template(t, helm(t), "--values", every))["PrometheusRule"][0].(*monitoring.PrometheusRule)
	text, err := os.ReadFile(rules)
	if err != nil {
		t.Fatal(err)
	}
	var spec monitoring.PrometheusRuleSpec
	if err := yaml.UnmarshalStrict(text, &spec); err != nil {
		t.Fatal(err)
	}
	if len(spec.Groups) == 0 || !reflect.DeepEqual(made.Spec, spec) {
		t.Error("the chart has other rules than deploy/prometheus")
	}
}

func TestAPodHasNoMoreRightsThanItNeedsAndTimeToStop(t *testing.T) {
	set := objects(t, template(t, helm(t), "--values", least))["StatefulSet"][0].(*apps.StatefulSet)
	pod := set.Spec.Template.Spec
	container := pod.Containers[0]
	rights := container.SecurityContext
	if !*rights.ReadOnlyRootFilesystem || *rights.AllowPrivilegeEscalation || rights.Capabilities.Drop[0] != "ALL" {
		t.Error("the container may do more than it needs")
	}
	if !*pod.SecurityContext.RunAsNonRoot || *pod.SecurityContext.RunAsUser == 0 || *pod.AutomountServiceAccountToken {
		t.Error("the pod is more than it needs")
	}
	// The defaults of shutdown.* and http.answer_within.
	stop := int64(5 + 5 + 1 + 10)
	if pre := container.Lifecycle.PreStop.Sleep.Seconds; *pod.TerminationGracePeriodSeconds < pre+stop+5 {
		t.Errorf("%d s are too few to stop", *pod.TerminationGracePeriodSeconds)
	}
	if container.ReadinessProbe.HTTPGet.Path != "/readyz" || container.LivenessProbe.HTTPGet.Path != "/livez" {
		t.Error("probes ask for something else")
	}
	if set.Spec.VolumeClaimTemplates[0].Name != "spill" || set.Spec.PersistentVolumeClaimRetentionPolicy.WhenDeleted != apps.RetainPersistentVolumeClaimRetentionPolicyType {
		t.Error("the log has no volume that stays")
	}
	memory := container.Resources.Limits[core.ResourceMemory]
	if memory.Value() < (512+128)<<20 {
		t.Errorf("%s of memory are too little", memory.String())
	}
}
