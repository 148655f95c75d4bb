// Command table prints how the Go types of Kubernetes' API are laid out in protocol buffers
// and in JSON, for the crate drydock-objects to read.
//
// It walks the types of k8s.io/api, apiextensions and kube-aggregator by reflection, since
// what Go's JSON encoder does (omitempty, inline, own encoders) stands in no .proto file.
// Run it in this folder as `go run . > ../../src/table.txt`, and as
// `go run . zero > ../../tests/it/zero.jsonl` for what Go's encoder gives for an empty object
// of each kind: apiVersion and kind, then the JSON, a line each.
//
// A line `# NAME NUMBER` names a kind (apiVersion, kind) and its message. A line `= NAME`
// begins a message; messages are numbered from 0 in the order of the file. Every other line
// is a field: its number, its name in JSON (`-` where it is inlined), its type, its flags.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"reflect"
	"sort"
	"strconv"
	"strings"

	admissionv1 "k8s.io/api/admission/v1"
	admissionv1beta1 "k8s.io/api/admission/v1beta1"
	admissionregv1 "k8s.io/api/admissionregistration/v1"
	admissionregv1alpha1 "k8s.io/api/admissionregistration/v1alpha1"
	admissionregv1beta1 "k8s.io/api/admissionregistration/v1beta1"
	apidiscoveryv2 "k8s.io/api/apidiscovery/v2"
	apidiscoveryv2beta1 "k8s.io/api/apidiscovery/v2beta1"
	apiserverinternalv1alpha1 "k8s.io/api/apiserverinternal/v1alpha1"
	appsv1 "k8s.io/api/apps/v1"
	appsv1beta1 "k8s.io/api/apps/v1beta1"
	appsv1beta2 "k8s.io/api/apps/v1beta2"
	authenticationv1 "k8s.io/api/authentication/v1"
	authenticationv1beta1 "k8s.io/api/authentication/v1beta1"
	authorizationv1 "k8s.io/api/authorization/v1"
	authorizationv1beta1 "k8s.io/api/authorization/v1beta1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	batchv1beta1 "k8s.io/api/batch/v1beta1"
	certificatesv1 "k8s.io/api/certificates/v1"
	certificatesv1alpha1 "k8s.io/api/certificates/v1alpha1"
	certificatesv1beta1 "k8s.io/api/certificates/v1beta1"
	coordinationv1 "k8s.io/api/coordination/v1"
	coordinationv1alpha2 "k8s.io/api/coordination/v1alpha2"
	coordinationv1beta1 "k8s.io/api/coordination/v1beta1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	discoveryv1beta1 "k8s.io/api/discovery/v1beta1"
	eventsv1 "k8s.io/api/events/v1"
	eventsv1beta1 "k8s.io/api/events/v1beta1"
	extensionsv1beta1 "k8s.io/api/extensions/v1beta1"
	flowcontrolv1 "k8s.io/api/flowcontrol/v1"
	flowcontrolv1beta1 "k8s.io/api/flowcontrol/v1beta1"
	flowcontrolv1beta2 "k8s.io/api/flowcontrol/v1beta2"
	flowcontrolv1beta3 "k8s.io/api/flowcontrol/v1beta3"
	imagepolicyv1alpha1 "k8s.io/api/imagepolicy/v1alpha1"
	networkingv1 "k8s.io/api/networking/v1"
	networkingv1beta1 "k8s.io/api/networking/v1beta1"
	nodev1 "k8s.io/api/node/v1"
	nodev1alpha1 "k8s.io/api/node/v1alpha1"
	nodev1beta1 "k8s.io/api/node/v1beta1"
	policyv1 "k8s.io/api/policy/v1"
	policyv1beta1 "k8s.io/api/policy/v1beta1"
	rbacv1 "k8s.io/api/rbac/v1"
	rbacv1alpha1 "k8s.io/api/rbac/v1alpha1"
	rbacv1beta1 "k8s.io/api/rbac/v1beta1"
	resourcev1 "k8s.io/api/resource/v1"
	resourcev1alpha3 "k8s.io/api/resource/v1alpha3"
	resourcev1beta1 "k8s.io/api/resource/v1beta1"
	resourcev1beta2 "k8s.io/api/resource/v1beta2"
	schedulingv1 "k8s.io/api/scheduling/v1"
	schedulingv1alpha2 "k8s.io/api/scheduling/v1alpha2"
	schedulingv1beta1 "k8s.io/api/scheduling/v1beta1"
	storagev1 "k8s.io/api/storage/v1"
	storagev1alpha1 "k8s.io/api/storage/v1alpha1"
	storagev1beta1 "k8s.io/api/storage/v1beta1"
	svmv1beta1 "k8s.io/api/storagemigration/v1beta1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apiextensionsv1beta1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1beta1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
	apiregistrationv1beta1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1beta1"
)

// groups are all that an API server may have stored, those of old versions included.
var groups = []runtime.SchemeBuilder{
	admissionv1.SchemeBuilder,
	admissionv1beta1.SchemeBuilder,
	admissionregv1.SchemeBuilder,
	admissionregv1alpha1.SchemeBuilder,
	admissionregv1beta1.SchemeBuilder,
	apidiscoveryv2.SchemeBuilder,
	apidiscoveryv2beta1.SchemeBuilder,
	apiserverinternalv1alpha1.SchemeBuilder,
	appsv1.SchemeBuilder,
	appsv1beta1.SchemeBuilder,
	appsv1beta2.SchemeBuilder,
	authenticationv1.SchemeBuilder,
	authenticationv1beta1.SchemeBuilder,
	authorizationv1.SchemeBuilder,
	authorizationv1beta1.SchemeBuilder,
	autoscalingv1.SchemeBuilder,
	autoscalingv2.SchemeBuilder,
	batchv1.SchemeBuilder,
	batchv1beta1.SchemeBuilder,
	certificatesv1.SchemeBuilder,
	certificatesv1alpha1.SchemeBuilder,
	certificatesv1beta1.SchemeBuilder,
	coordinationv1.SchemeBuilder,
	coordinationv1alpha2.SchemeBuilder,
	coordinationv1beta1.SchemeBuilder,
	corev1.SchemeBuilder,
	discoveryv1.SchemeBuilder,
	discoveryv1beta1.SchemeBuilder,
	eventsv1.SchemeBuilder,
	eventsv1beta1.SchemeBuilder,
	extensionsv1beta1.SchemeBuilder,
	flowcontrolv1.SchemeBuilder,
	flowcontrolv1beta1.SchemeBuilder,
	flowcontrolv1beta2.SchemeBuilder,
	flowcontrolv1beta3.SchemeBuilder,
	imagepolicyv1alpha1.SchemeBuilder,
	networkingv1.SchemeBuilder,
	networkingv1beta1.SchemeBuilder,
	nodev1.SchemeBuilder,
	nodev1alpha1.SchemeBuilder,
	nodev1beta1.SchemeBuilder,
	policyv1.SchemeBuilder,
	policyv1beta1.SchemeBuilder,
	rbacv1.SchemeBuilder,
	rbacv1alpha1.SchemeBuilder,
	rbacv1beta1.SchemeBuilder,
	resourcev1.SchemeBuilder,
	resourcev1alpha3.SchemeBuilder,
	resourcev1beta1.SchemeBuilder,
	resourcev1beta2.SchemeBuilder,
	schedulingv1.SchemeBuilder,
	schedulingv1alpha2.SchemeBuilder,
	schedulingv1beta1.SchemeBuilder,
	storagev1.SchemeBuilder,
	storagev1alpha1.SchemeBuilder,
	storagev1beta1.SchemeBuilder,
	svmv1beta1.SchemeBuilder,
	apiextensionsv1.SchemeBuilder,
	apiextensionsv1beta1.SchemeBuilder,
	apiregistrationv1.SchemeBuilder,
	apiregistrationv1beta1.SchemeBuilder,
}

// own are the types with JSON encoders of their own, and the words for them.
var own = map[string]string{
	"k8s.io/apimachinery/pkg/apis/meta/v1.Time":       "time",
	"k8s.io/apimachinery/pkg/apis/meta/v1.MicroTime":  "micro-time",
	"k8s.io/apimachinery/pkg/apis/meta/v1.Duration":   "duration",
	"k8s.io/apimachinery/pkg/apis/meta/v1.FieldsV1":   "json",
	"k8s.io/apimachinery/pkg/api/resource.Quantity":   "quantity",
	"k8s.io/apimachinery/pkg/util/intstr.IntOrString": "int-or-string",
	"k8s.io/apimachinery/pkg/runtime.RawExtension":    "json",
}

// ownByName are those of apiextensions, the same in each of its versions.
var ownByName = map[string]string{
	"JSON":                         "json",
	"JSONSchemaPropsOrBool":        "schema-or-bool:",
	"JSONSchemaPropsOrArray":       "schema-or-array:",
	"JSONSchemaPropsOrStringArray": "schema-or-strings:",
}

var unmarshaler = reflect.TypeFor[interface{ Unmarshal([]byte) error }]()

type table struct {
	numbers  map[reflect.Type]int
	messages []reflect.Type
}

func main() {
	scheme := runtime.NewScheme()
	for _, group := range groups {
		if err := group.AddToScheme(scheme); err != nil {
			log.Fatal(err)
		}
	}
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	if len(os.Args) > 1 && os.Args[1] == "zero" {
		printZero(scheme, out)
		return
	}
	t := &table{numbers: map[reflect.Type]int{}}
	for _, gvk := range stored(scheme) {
		fmt.Fprintf(out, "# %s/%s %d\n", gvk.GroupVersion(), gvk.Kind, t.number(scheme.AllKnownTypes()[gvk]))
	}
	for n := 0; n < len(t.messages); n++ {
		fmt.Fprintf(out, "= %s\n%s", name(t.messages[n]), t.fields(t.messages[n]))
	}
}

func printZero(scheme *runtime.Scheme, out *bufio.Writer) {
	for _, gvk := range stored(scheme) {
		zero, err := json.Marshal(reflect.New(scheme.AllKnownTypes()[gvk]).Interface())
		if err != nil {
			log.Fatal(err)
		}
		fmt.Fprintf(out, "%s/%s %s\n", gvk.GroupVersion(), gvk.Kind, zero)
	}
}

// stored are the kinds with apiVersion and kind, in order. Lists are never stored. What every
// group shares, such as DeleteOptions, is taken once.
func stored(scheme *runtime.Scheme) []schema.GroupVersionKind {
	var kinds []schema.GroupVersionKind
	for gvk, kind := range scheme.AllKnownTypes() {
		typeMeta, ok := kind.FieldByName("TypeMeta")
		isList := strings.HasSuffix(gvk.Kind, "List") && hasField(kind, "Items")
		isShared := kind.PkgPath() == reflect.TypeFor[metav1.TypeMeta]().PkgPath() && gvk.Group != ""
		if ok && typeMeta.Anonymous && !isList && !isShared && gvk.Version != runtime.APIVersionInternal {
			kinds = append(kinds, gvk)
		}
	}
	sort.Slice(kinds, func(a, b int) bool { return kinds[a].String() < kinds[b].String() })
	return kinds
}

func hasField(kind reflect.Type, field string) bool {
	_, ok := kind.FieldByName(field)
	return ok
}

func name(message reflect.Type) string {
	path := strings.TrimPrefix(message.PkgPath(), "k8s.io/")
	return path + "." + message.Name()
}

func (t *table) number(message reflect.Type) int {
	if number, ok := t.numbers[message]; ok {
		return number
	}
	t.numbers[message] = len(t.messages)
	t.messages = append(t.messages, message)
	return t.numbers[message]
}

// fields are the lines of a message. A type that is a slice and a message at once holds its
// elements in field 1.
func (t *table) fields(message reflect.Type) string {
	var lines strings.Builder
	names := map[string]bool{}
	for n := 0; n < message.NumField(); n++ {
		field := message.Field(n)
		jsonName, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		protobuf := strings.Split(field.Tag.Get("protobuf"), ",")
		if field.Type == reflect.TypeFor[metav1.TypeMeta]() && len(protobuf) == 1 {
			// apiVersion and kind stand in the envelope, or nowhere.
			continue
		}
		if jsonName == "-" || len(protobuf) < 3 {
			log.Fatalf("%s.%s has no place in JSON or in protobuf", name(message), field.Name)
		}
		inline := jsonName == "" && field.Anonymous
		if jsonName == "" && !inline {
			jsonName = field.Name
		}
		if names[jsonName] && !inline {
			log.Fatalf("%s has %s twice", name(message), jsonName)
		}
		names[jsonName] = true
		number, err := strconv.Atoi(protobuf[1])
		if err != nil {
			log.Fatalf("%s.%s: %v", name(message), field.Name, err)
		}
		if inline {
			jsonName = "-"
		}
		fmt.Fprintf(&lines, "%d %s %s%s\n", number, jsonName, t.kind(field.Type), flags(options, field.Type))
	}
	return lines.String()
}

func flags(options string, field reflect.Type) string {
	var flags string
	for _, option := range strings.Split(options, ",") {
		switch option {
		case "omitempty":
			flags += " omitempty"
		case "omitzero":
			flags += " omitzero"
		case "inline", "":
		default:
			log.Fatalf("an option of encoding/json that is not known: %s", option)
		}
	}
	return flags
}

// kind is the word for a type. `[` stands before what is repeated, `{` before the values of a
// map from strings, `*` before what may be absent.
func (t *table) kind(field reflect.Type) string {
	if word, ok := own[field.PkgPath()+"."+field.Name()]; ok {
		return word
	}
	if word, ok := ownByName[field.Name()]; ok && strings.Contains(field.PkgPath(), "apiextensions") {
		if strings.HasSuffix(word, ":") {
			schema, _ := field.FieldByName("Schema")
			return word + strconv.Itoa(t.number(schema.Type.Elem()))
		}
		return word
	}
	switch field.Kind() {
	case reflect.Pointer:
		return "*" + t.kind(field.Elem())
	case reflect.Struct:
		return strconv.Itoa(t.number(field))
	case reflect.Map:
		if field.Key().Kind() != reflect.String {
			log.Fatalf("a map from %s", field.Key())
		}
		return "{" + t.kind(field.Elem())
	case reflect.Slice:
		if field.Elem().Kind() == reflect.Uint8 {
			return "bytes"
		}
		if reflect.PointerTo(field).Implements(unmarshaler) {
			return "items:" + t.kind(field.Elem())
		}
		return "[" + t.kind(field.Elem())
	case reflect.String, reflect.Bool, reflect.Int32, reflect.Int64, reflect.Float64, reflect.Float32, reflect.Uint32, reflect.Uint64:
		return field.Kind().String()
	}
	log.Fatalf("a type that is not known: %s", field)
	return ""
}
