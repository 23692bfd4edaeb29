// Command goinformer drives an API server as Go programs do: typed clients (protobuf bodies),
// shared informers (WatchList), leader election, a dynamic client with server-side apply, and a
// controller of controller-runtime. It prints one line for each thing that held and exits with 0.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	ctrl "sigs.k8s.io/controller-runtime"
	ctrlcache "sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

const count = 50

func must(what string, err error) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", what, err)
		os.Exit(1)
	}
	fmt.Println(what)
}

func main() {
	ctrl.SetLogger(logr.Discard())
	config, err := clientcmd.BuildConfigFromFlags("", os.Args[1])
	must("kubeconfig", err)
	config.QPS, config.Burst = 1000, 1000
	namespace := os.Args[2]
	ctx, cancel := context.WithTimeout(context.Background(), 170*time.Second)
	defer cancel()
	informer(ctx, config, namespace)
	serverSideApply(ctx, config, namespace)
	controller(ctx, config, namespace)
}

// informer writes through a typed client and waits until a shared informer holds the same.
func informer(ctx context.Context, config *rest.Config, namespace string) {
	typed := kubernetes.NewForConfigOrDie(config)
	maps := typed.CoreV1().ConfigMaps(namespace)
	factory := informers.NewSharedInformerFactoryWithOptions(typed, 0, informers.WithNamespace(namespace))
	lister := factory.Core().V1().ConfigMaps().Lister()
	synced := factory.Core().V1().ConfigMaps().Informer().HasSynced
	pods := factory.Core().V1().Pods().Informer().HasSynced
	factory.Start(ctx.Done())
	if !cache.WaitForCacheSync(ctx.Done(), synced, pods) {
		must("informers sync", ctx.Err())
	}
	for i := 0; i < count; i++ {
		object := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{
			GenerateName: "go-", Labels: map[string]string{"made": "go"}}}
		if _, err := maps.Create(ctx, object, metav1.CreateOptions{}); err != nil {
			must("create", err)
		}
	}
	must("informer equals list", wait.PollUntilContextCancel(ctx, 10*time.Millisecond, true,
		func(ctx context.Context) (bool, error) {
			listed, err := maps.List(ctx, metav1.ListOptions{LabelSelector: "made=go"})
			if err != nil || len(listed.Items) != count {
				return false, err
			}
			cached, err := lister.List(labels.SelectorFromSet(labels.Set{"made": "go"}))
			if err != nil || len(cached) != count {
				return false, err
			}
			versions := map[string]string{}
			for _, one := range cached {
				versions[one.Name] = one.ResourceVersion
			}
			for _, one := range listed.Items {
				if versions[one.Name] != one.ResourceVersion {
					return false, nil
				}
			}
			return true, nil
		}))
}

// serverSideApply applies through the dynamic client, twice.
func serverSideApply(ctx context.Context, config *rest.Config, namespace string) {
	resource := schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}
	maps := dynamic.NewForConfigOrDie(config).Resource(resource).Namespace(namespace)
	for _, value := range []string{"a", "b"} {
		object := &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "v1", "kind": "ConfigMap",
			"metadata": map[string]any{"name": "applied"}, "data": map[string]any{"k": value}}}
		after, err := maps.Apply(ctx, "applied", object, metav1.ApplyOptions{FieldManager: "go"})
		must("apply "+value, err)
		if got, _, _ := unstructured.NestedString(after.Object, "data", "k"); got != value {
			must("applied", fmt.Errorf("%q instead of %q", got, value))
		}
	}
}

// controller elects a leader, then marks every ConfigMap by a merge patch until none is left.
func controller(ctx context.Context, config *rest.Config, namespace string) {
	ctx, stop := context.WithCancel(ctx)
	manager, err := ctrl.NewManager(config, ctrl.Options{
		LeaderElection: true, LeaderElectionID: "go", LeaderElectionNamespace: namespace,
		Metrics: server.Options{BindAddress: "0"},
		Cache:   ctrlcache.Options{DefaultNamespaces: map[string]ctrlcache.Config{namespace: {}}},
	})
	must("manager", err)
	marked := map[string]bool{}
	reconciler := func(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
		var found corev1.ConfigMap
		if err := manager.GetClient().Get(ctx, request.NamespacedName, &found); err != nil {
			return reconcile.Result{}, client.IgnoreNotFound(err)
		}
		if found.Labels["made"] != "go" {
			return reconcile.Result{}, nil
		}
		if found.Annotations["marked"] == "" {
			before := found.DeepCopy()
			found.Annotations = map[string]string{"marked": "yes"}
			return reconcile.Result{}, manager.GetClient().Patch(ctx, &found, client.MergeFrom(before))
		}
		if marked[found.Name] = true; len(marked) == count {
			stop()
		}
		return reconcile.Result{}, nil
	}
	must("controller", ctrl.NewControllerManagedBy(manager).For(&corev1.ConfigMap{}).
		Complete(reconcile.Func(reconciler)))
	must("manager ran", manager.Start(ctx))
	if len(marked) != count {
		must("all marked", fmt.Errorf("%d of %d", len(marked), count))
	}
	fmt.Println("all marked")
}
