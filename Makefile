# Penstock. `make demo` shows the main job; `make test` passes the tests.

GO        ?= go
PACKAGES  := ./...
FUNCTIONS := receive prepare turn survey apply finish

# The race detector needs a C compiler. The SQLite translation is 32 times
# slower under it and not ours: it stays uninstrumented, our own code does not.
CC_FOUND := $(shell command -v $$($(GO) env CC) 2>/dev/null)
ifneq ($(CC_FOUND),)
RACE := -race -gcflags='modernc.org/...=-race=false'
endif

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

.PHONY: demo
demo: ## load real files end to end on embedded parts, then read every row back
	@$(GO) run ./cmd/penstock demo

.PHONY: test
test: ## every test, with the race detector where there is a C compiler
ifdef RACE
	@echo "testing with the race detector"
else
	@echo "testing without the race detector: no C compiler found"
endif
	$(GO) test $(RACE) -timeout 280s $(PACKAGES)

.PHONY: soak
soak: ## the long tests: a million rows, every fault, many seeds
	PENSTOCK_SOAK=1 $(GO) test -timeout 60m -run Soak -v $(PACKAGES)

.PHONY: bench
bench: ## measure against the plainest loader, the limits and the libraries; BENCH=-quick is short (docs/performance.md)
	$(GO) run ./bench $(BENCH)

.PHONY: build
build: ## the command line into bin/, and the functions as SAM deploys them
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags "-s -w" -o bin/penstock ./cmd/penstock
	@for f in $(FUNCTIONS); do $(MAKE) --no-print-directory function NAME=$$f OUT=bin/functions/$$f || exit 1; done

.PHONY: function
function:
	CGO_ENABLED=0 GOOS=linux GOARCH=arm64 $(GO) build -tags lambda.norpc -trimpath -ldflags "-s -w" -o $(OUT)/bootstrap ./functions/$(NAME)

# `sam build` calls these with ARTIFACTS_DIR set (BuildMethod: makefile).
.PHONY: build-Receive build-Prepare build-Turn build-Survey build-Apply build-Finish
build-Receive: ; @$(MAKE) --no-print-directory function NAME=receive OUT=$(ARTIFACTS_DIR)
build-Prepare: ; @$(MAKE) --no-print-directory function NAME=prepare OUT=$(ARTIFACTS_DIR)
build-Turn:    ; @$(MAKE) --no-print-directory function NAME=turn OUT=$(ARTIFACTS_DIR)
build-Survey:  ; @$(MAKE) --no-print-directory function NAME=survey OUT=$(ARTIFACTS_DIR)
build-Apply:   ; @$(MAKE) --no-print-directory function NAME=apply OUT=$(ARTIFACTS_DIR)
build-Finish:  ; @$(MAKE) --no-print-directory function NAME=finish OUT=$(ARTIFACTS_DIR)

.PHONY: validate
validate: ## check template.yaml: cfn-lint, and what SAM makes of it
	@.ci/validate-template
	@if command -v sam >/dev/null; then sam validate --lint; else echo "skipped: sam validate, the SAM CLI is not installed"; fi

.PHONY: deploy
deploy: ## sam build and sam deploy (see samconfig.toml)
	sam build
	sam deploy

.PHONY: clean
clean: ## remove what was built and what the demo left
	rm -rf bin .aws-sam .penstock
