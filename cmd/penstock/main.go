// Command penstock brings query results from a data lake into Dataverse and tells what became of every row.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"penstock/internal/dataversetest"
	"penstock/internal/heap"
)

// version is set by the build.
var version = "0.1.0-dev"

const description = `Brings files of query results into Dataverse tables and Dynamics 365, checks every
row before the first is written, and tells what became of each.

  penstock demo                        see it work: embedded S3, state machine and Dataverse
  penstock rows people.csv             see what is in a file
  penstock run people.csv -d members   load one file with the destination "members"
  penstock resume RUN                  go on with a run that did not come to its end
  penstock check sales                 is the connection "sales" ready to be written to?
  penstock forget members              delete what is remembered of rows, which counts as personal data
  penstock dev                         the whole stack on this machine; drop files, watch them land
  penstock emulator                    only the Dataverse emulator

Destinations and connections are described in penstock.yaml.

Exit codes: 0 every row written or unchanged, 1 failed, 2 usage or configuration,
3 finished with rejects, 4 refused (nothing written), 5 credential or permission.`

// cli is the command line. Every command is a file of its own.
type cli struct {
	Run      runCommand      `cmd:"" help:"Load files into a destination, on this machine, without AWS."`
	Rows     rowsCommand     `cmd:"" help:"Show what is in files: format, dialect, columns, and each row as JSON."`
	Resume   resumeCommand   `cmd:"" help:"Go on with a run that did not come to its end."`
	Forget   forgetCommand   `cmd:"" help:"Delete what only_changes remembers of a destination's rows."`
	Dev      devCommand      `cmd:"" help:"Keep the whole stack up on this machine: S3, state machine, Dataverse emulator."`
	Check    checkCommand    `cmd:"" help:"Test a connection: sign-in, environment, tables, privileges."`
	Emulator emulatorCommand `cmd:"" help:"Keep only the Dataverse emulator up."`
	Demo     demoCommand     `cmd:"" help:"Load the example files on embedded parts and read every row back."`

	Version kong.VersionFlag `help:"Print the version."`
}

// streams is where a command reads and writes; tests put their own there.
type streams struct {
	out, err io.Writer
}

// haste is done when a person does not want to wait for an orderly end any more.
type haste struct{ context.Context }

func main() {
	heap.Keep(heap.Usual)
	ctx, hurry := obey()
	os.Exit(execute(ctx, hurry, os.Args[1:], streams{out: os.Stdout, err: os.Stderr}))
}

// obey turns signals into contexts: the first Ctrl-C asks for an orderly end, the
// second for a quick one, the third has it. What is on disk is whole at any moment.
func obey() (context.Context, haste) {
	ctx, end := context.WithCancel(context.Background())
	hurry, now := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 3)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		for _, do := range []func(){end, now, func() { os.Exit(codeFailed) }} {
			<-signals
			do()
		}
	}()
	return ctx, haste{hurry}
}

// execute parses and runs one command line and says with which code to exit.
func execute(ctx context.Context, hurry haste, args []string, s streams) (code int) {
	var c cli
	parser, err := kong.New(&c,
		kong.Name("penstock"), kong.Description(description), kong.Vars{"version": version, "client_id": dataversetest.DefaultUser.ClientID, "client_secret": dataversetest.DefaultUser.Secrets[0]},
		kong.Writers(s.out, s.err), kong.Exit(func(code int) { panic(exit(code)) }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.BindTo(ctx, (*context.Context)(nil)), kong.Bind(hurry, s))
	if err != nil {
		fmt.Fprintln(s.err, "penstock:", err)
		return codeFailed
	}
	defer func() { // kong leaves --help and --version by its Exit
		if left, ok := recover().(exit); ok {
			code = int(left)
		}
	}()
	if len(args) == 0 {
		args = []string{"--help"}
	}
	command, err := parser.Parse(args)
	if err != nil {
		fmt.Fprintf(s.err, "penstock: %v\n", err)
		if hint := (*kong.ParseError)(nil); errors.As(err, &hint) && hint.Context.Selected() != nil {
			fmt.Fprintf(s.err, "see: penstock %s --help\n", hint.Context.Selected().Name)
		} else {
			fmt.Fprintln(s.err, "see: penstock --help")
		}
		return codeUsage
	}
	return exitCode(command.Run(), s)
}

type exit int
