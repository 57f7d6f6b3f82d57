# kerf's commands. "make help" lists them; nothing but Go, git, make and a C compiler is expected on the machine.

GO ?= go
BUILD := $(GO) run ./hack/build
STEP := $(BUILD) exec

# The programs that envtest starts; a directory set by hand wins.
KUBEBUILDER_ASSETS ?= $(CURDIR)/bin/k8s
export KUBEBUILDER_ASSETS

# The modules beside the main one. With -trimpath their tests share the packages that their programs are built from;
# vetting and type-checking would go through all of Kubernetes again, so linters that only read the source have to do.
MODULES := test/localcluster test/conformance test/peer
SOURCE_LINTERS := depguard,funlen,gochecknoglobals,gochecknoinits,gocyclo,godot,godox,misspell,nolintlint

.DEFAULT_GOAL := help
.PHONY: help
help: ## List the targets.
	@awk 'BEGIN { FS = ":.*## " } /^##@/ { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

##@ Use

.PHONY: demo up down run plan
demo: control-plane ## Run the main job on a local control plane and a simulated AWS, and check it.
	@$(BUILD) controller demo
	@bin/demo-runner

up: control-plane ## Leave a cluster with kerf and a simulated AWS running; prints the KUBECONFIG line.
	@$(BUILD) controller environment
	@bin/environment-runner up

down: ## End what "make up" started.
	@$(BUILD) environment
	@bin/environment-runner down

run: ## Run kerf against the cluster of KUBECONFIG; flags go into ARGS.
	@$(BUILD) controller
	bin/controller $(ARGS)

plan: ## Plan machines for manifests, without a cluster: ARGS="-f examples".
	@$(BUILD) kerf
	@bin/kerf plan $(ARGS)

##@ Build

.PHONY: build control-plane tools clean
build: ## Build the controller and the command kerf into bin/.
	@$(BUILD) controller kerf

control-plane: ## Build the local control plane into bin/k8s (minutes the first time).
	@$(BUILD) control-plane kwok

tools: control-plane ## Build all that the other targets need.
	@$(BUILD) controller-gen golangci-lint benchstat helm

clean: ## Remove bin/.
	rm -rf bin

##@ Test

.PHONY: test bench fuzz conformance peer-bench scale webhook-load hpa chaos chaos-live empty-race churn worlds
test: control-plane ## Run every test.
	@$(BUILD) controller helm
	@$(BUILD) compile "compiling with the race detector" -race ./...
	@$(STEP) "tests of the main module" $(GO) test -race -timeout 30m ./...
	@for module in $(MODULES); do \
		$(STEP) "tests of $$module" $(GO) -C $$module test -trimpath -vet=off ./... || exit 1; \
	done

MACHINES ?= 1000
scale: control-plane ## Launch, register and terminate MACHINES machines on the local control plane; time, calls, CPU and memory in a table.
	@$(BUILD) controller scale
	@bin/scale-runner --machines=$(MACHINES) $(ARGS)

webhook-load: control-plane ## Make 10,000 changes through the webhook while its certificates rotate; none may fail.
	@$(BUILD) controller webhookload
	@bin/webhookload-runner $(ARGS)

# How long a minute of its half-hour takes; with a real one all times are the defaults of Kubernetes. make test has the end of it in 5s.
MINUTE ?= 60s
hpa: control-plane ## Have the HorizontalPodAutoscaler scale a workload 2, 3, 5, 3, 2 and count what it costs; half an hour, or less with MINUTE=10s.
	@$(BUILD) controller
	@$(STEP) "cycle of an autoscaler" env KERF_HPA_MINUTE=$(MINUTE) $(GO) test -count=1 -timeout 3h -v ./test/hpa

CLUSTERS ?= 2000
conformance: SEED ?= 1
conformance: ## Hold plans for CLUSTERS made-up clusters, from SEED on, against the real scheduler's filters; flags go into ARGS.
	@$(BUILD) conformance
	@bin/conformance-runner --clusters=$(CLUSTERS) --seed=$(SEED) $(ARGS)

# How many seeds; 100000 take a night. SEED=n replays one, POINT=n PHASE=p a crash of the launch, or with CHOICE=c one after that, and each prints its history.
RUNS ?= 5000
chaos: control-plane ## Run kerf in worlds in which everything goes wrong: each crash point of a launch, RUNS seeds (100000 for a night), LIVE worlds on a real API server, and bugs put in on purpose.
	@$(GO) run ./test/chaos/cmd/chaos -seeds $(RUNS) -live $(LIVE) $(if $(SEED),-seed $(SEED)) $(if $(POINT),-point $(POINT)) $(if $(PHASE),-phase $(PHASE)) $(if $(CHOICE),-choice $(CHOICE)) $(ARGS)

# RACE=n replays one and prints its history.
RACES ?= 10000
empty-race: ## Have pods come to empty nodes at every moment of their end, in RACES worlds in which watches lag by up to half a minute; none may be lost.
	@$(GO) run ./test/chaos/cmd/chaos -seeds 0 -every 0 -live 0 -races $(RACES) $(if $(RACE),-race $(RACE)) $(ARGS)

# DAYS=n is how many days, up to nine; make test has an hour of the first.
DAYS ?= 4
churn: ## Live through DAYS days of a cluster in which pods come and go, with several ways to give machines back, and have 1,000 random clusters come to rest.
	@$(STEP) "days of churn" env KERF_DAY=$(DAYS) $(GO) test -count=1 -timeout 3h -v -run '^TestADayOfChurn$$' ./test/timelapse
	@$(STEP) "clusters come to rest" env KERF_STATIC_CLUSTERS=1000 $(GO) test -count=1 -timeout 1h -v -run Static ./test/timelapse

# LIVE=n is how many worlds; SEED=n replays one and prints its history.
LIVE ?= 50
chaos-live: control-plane ## Run kerf against a real API server in LIVE worlds in which it crashes, or what it calls misbehaves.
	@$(GO) run ./test/chaos/cmd/live $(if $(SEED),--worlds 1 --seed $(SEED) --history,--worlds $(LIVE)) $(ARGS)

# What make test has in a short form; each world says what was found in it.
worlds: control-plane ## Sweep 20 accounts full of orphans under a lying EC2, put two clusters of one name beside each other, take EC2 away, storm, and drain 500 machines.
	@$(STEP) "worlds" env KERF_WORLDS_OF_ORPHANS=20 KERF_NEIGHBOUR_OPERATIONS=10000 \
		$(GO) test -count=1 -timeout 2h -v -run '^(TestOrphansGoAndNothingElseDoes|TestTwoClustersOfOneNameLeaveEachOtherAlone|TestTenMinutesWithoutEC2CostNoMachine|TestAnICEStormIsWeatheredAndItsEndNoticed)$$' ./cmd/controller
	@$(STEP) "drains" env KERF_DRAINS=500 $(GO) test -count=1 -timeout 1h -v -run '^TestDrainsAgainstARealEvictionAPI$$' ./controllers/machine/termination

FUZZTIME ?= 30s
FUZZED ?= ./pkg/scheduling ./pkg/solver ./pkg/cloudprovider/aws/userdata
fuzz: ## Let each fuzz target of FUZZED, the engine, its algebra and user data, look for counterexamples for FUZZTIME.
	@for package in $(FUZZED); do for target in $$($(GO) test -list '^Fuzz' $$package | grep '^Fuzz'); do \
		$(STEP) "$$target of $$package" $(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$package || exit 1; \
	done; done

BENCH ?= .
# Twice is enough for the table, which shows the faster run; to compare with a BASELINE take COUNT=6.
COUNT ?= 2
BASELINE ?= test/performance/baseline.txt
# The packages that have benchmarks: compiling the tests of the others takes longer than all of them.
MEASURED = $(sort $(patsubst %,./%,$(dir $(shell grep -rl '^func Benchmark' --include='*_test.go' pkg))))
bench: ## Run the benchmarks matching BENCH COUNT times, compare them with BASELINE if there is one, and print a table.
	@$(BUILD) benchstat
	@$(STEP) "benchmarks" sh -c "$(GO) test -run '^$$' -bench '$(BENCH)' -benchmem -count $(COUNT) -timeout 1h $(MEASURED) > bin/bench.txt" \
		|| { cat bin/bench.txt; exit 1; }
	@if [ -f "$(BASELINE)" ]; then bin/benchstat "$(BASELINE)" bin/bench.txt; fi
	@$(GO) run ./hack/figures bin/bench.txt

# The names of workloads, as a regular expression; "bin/peer-runner --list" names them.
WORKLOADS ?= .
# A CSV file with the pods of the openb trace; the workloads that are made of it are left out without one.
TRACE ?=
# How many times each side may solve a workload, of which the fastest counts; who has had ten seconds is not asked again.
REPEAT ?= 3
peer-bench: ## Give the same pods to kerf and to Karpenter (WORKLOADS, of the file TRACE too), each REPEAT times, and compare time and money.
	@$(BUILD) peer
	@# As it is: make would take what follows a dollar, the end of a regular expression, for a variable.
	@bin/peer-runner --workloads '$(value WORKLOADS)' --repeat $(REPEAT) $(if $(TRACE),--trace '$(value TRACE)') --output bin/peer.json

##@ Change

.PHONY: generate manifests tidy fmt
generate: ## Write the deepcopy functions of the API types.
	@$(BUILD) controller-gen
	@echo "generating deepcopy functions"
	@# controller-gen copies no map whose values have an alias for their type, such as LabelValue, unless it sees through it.
	@GODEBUG=gotypesalias=0 bin/controller-gen object:headerFile=hack/boilerplate.go.txt paths=./apis/...

manifests: ## Write the CRDs and the RBAC role into config/, what the charts have of config/, and the IAM policies.
	@$(BUILD) controller-gen
	bin/controller-gen crd paths=./apis/... output:crd:artifacts:config=config/crd/bases
	bin/controller-gen rbac:roleName=karpenter \
		paths=./controllers/... paths=./pkg/... paths=./cmd/... output:rbac:artifacts:config=config/rbac
	$(GO) run ./hack/charts
	$(GO) run ./hack/iam

tidy: ## Bring go.mod and go.sum of every module in line with the code.
	$(GO) mod tidy
	@for module in $(MODULES); do echo "$(GO) -C $$module mod tidy"; $(GO) -C $$module mod tidy || exit 1; done

fmt: ## Format the code.
	@$(BUILD) golangci-lint
	bin/golangci-lint fmt

##@ Check

.PHONY: verify lint vet check-clean
# One after the other: what the first three write, the rest reads.
verify: ## Generate, tidy and lint, then fail if that changed anything.
	@$(MAKE) --no-print-directory generate manifests tidy
	@$(MAKE) --no-print-directory lint check-clean

lint: ## Run the linters, prove that the import rules bite, and check the budgets.
	@$(BUILD) golangci-lint
	@$(STEP) "linters" bin/golangci-lint run
	@for module in $(MODULES); do ( cd $$module && \
		GOFLAGS=-trimpath $(CURDIR)/bin/golangci-lint run -c $(CURDIR)/.golangci.yaml --enable-only=$(SOURCE_LINTERS) \
	) || exit 1; done
	@$(STEP) "proof of the import rules" $(GO) test -tags lint ./hack/floors
	@$(STEP) "budgets" $(GO) run ./hack/budgets

vet: ## Run go vet alone, which lint includes.
	@$(STEP) "go vet" $(GO) vet ./...

check-clean:
	@dirty=$$(git status --porcelain); if [ -n "$$dirty" ]; then \
		echo "these files are not as committed; commit them, or what \"make generate manifests tidy\" makes of them:"; \
		echo "$$dirty"; git --no-pager diff --stat; exit 1; \
	fi
