package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/kerf-autoscaler/kerf/test/awssim/world"
)

const (
	// pollPeriod is how often the background process is looked at.
	pollPeriod = 100 * time.Millisecond
	// endTimeout is how long a world may take to end.
	endTimeout = time.Minute
)

// up starts the world as a process of its own session, which outlives this one, and shows its progress.
func (s *site) up(ctx context.Context, region string) error {
	if err := s.resolve(); err != nil {
		return err
	}
	isUp, err := s.isUp()
	if err != nil {
		return err
	}
	if isUp {
		return s.sayAgain()
	}
	if err := s.forget(); err != nil {
		return err
	}
	log, err := os.Create(s.path("environment.log"))
	if err != nil {
		return fmt.Errorf("making the log: %w", err)
	}
	defer func() { _ = log.Close() }() // the other process has its own handle
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("looking for this program: %w", err)
	}
	command := exec.Command(program, "serve", "--root", s.root, "--region", region)
	command.Stdout, command.Stderr = log, log
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := command.Start(); err != nil {
		return fmt.Errorf("starting the environment: %w", err)
	}
	if err := s.follow(ctx, command, os.Stdout); err != nil {
		return err
	}
	st, err := s.read()
	if err != nil {
		return err
	}
	fmt.Println()
	fmt.Print(welcome(st))
	return nil
}

// sayAgain repeats what up has said, about the world that is up already.
func (s *site) sayAgain() error {
	st, err := s.read()
	if errors.Is(err, os.ErrNotExist) {
		return errors.New("another process is just starting the environment; try again in a moment")
	}
	if err != nil {
		return err
	}
	fmt.Print("It is already up.\n\n", welcome(st))
	return nil
}

// follow copies the log of the world until the world is up. When this process is interrupted the world ends too.
func (s *site) follow(ctx context.Context, command *exec.Cmd, out io.Writer) error {
	exited := make(chan error, 1)
	go func() { exited <- command.Wait() }()
	log, err := os.Open(s.path("environment.log"))
	if err != nil {
		return fmt.Errorf("reading the log: %w", err)
	}
	defer func() { _ = log.Close() }() // opened for reading: nothing is lost
	ticker := time.NewTicker(pollPeriod)
	defer ticker.Stop()
	for {
		_, statErr := os.Stat(s.path("state.json"))
		if _, err := io.Copy(out, log); err != nil {
			return fmt.Errorf("reading the log: %w", err)
		}
		if statErr == nil {
			return nil
		}
		select {
		case err := <-exited:
			_, copyErr := io.Copy(out, log)
			return errors.Join(fmt.Errorf("the environment did not come up: %w", err), copyErr)
		case <-ctx.Done():
			_ = command.Process.Signal(syscall.SIGTERM) // it may have ended by itself
			return errors.Join(context.Cause(ctx), <-exited)
		case <-ticker.C:
		}
	}
}

// down tells the world to end and waits until it has.
func (s *site) down(ctx context.Context) error {
	if err := s.resolve(); err != nil {
		return err
	}
	isUp, err := s.isUp()
	if err != nil {
		return err
	}
	if !isUp {
		fmt.Println("Nothing is up.")
		return s.forget()
	}
	st, err := s.read()
	if err != nil {
		return err
	}
	// The lock is held, so the process that wrote its id still runs: the number cannot be another's.
	if err := syscall.Kill(st.PID, syscall.SIGTERM); err != nil {
		return fmt.Errorf("ending process %d: %w", st.PID, err)
	}
	ctx, cancel := context.WithTimeout(ctx, endTimeout)
	defer cancel()
	ticker := time.NewTicker(pollPeriod)
	defer ticker.Stop()
	for isUp {
		select {
		case <-ctx.Done():
			return fmt.Errorf("process %d has not ended: %w; see %s", st.PID, context.Cause(ctx), s.path("environment.log"))
		case <-ticker.C:
		}
		if isUp, err = s.isUp(); err != nil {
			return err
		}
	}
	fmt.Println("It is down.")
	return nil
}

// welcome says how to look around.
func welcome(st state) string {
	return fmt.Sprintf(`kerf runs in cluster %[1]s, simulated AWS region %[2]s. To use it:

  export KUBECONFIG=%[3]s
  export PATH=%[4]s:$PATH

Give kerf something to do:

  sed 's/${CLUSTER_NAME}/%[1]s/' examples/provisioner.yaml | kubectl apply -f -
  kubectl apply -f examples/inflate.yaml
  kubectl scale deployment inflate --replicas 5
  kubectl get machines -w

Look at AWS, from the inside or with the aws command line:

  curl %[5]s/instances
  AWS_ENDPOINT_URL=%[6]s AWS_REGION=%[2]s AWS_ACCESS_KEY_ID=%[8]s AWS_SECRET_ACCESS_KEY=any aws ec2 describe-instances

kerf's log is %[7]s.
"make down" ends everything.
`, st.ClusterName, st.Region, st.Kubeconfig, st.Kubectl, st.AWSAdmin, st.AWS, st.Log, world.DefaultAccessKeyID)
}
