/** Questions on their way: loading, what came, what went wrong, and calling it off. */
import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { Problem } from '../api/client';

export interface Asked<T> {
  value: T | null;
  problem: Problem | null;
  loading: boolean;
  steps: string[];
  cancelled: boolean;
  cancel: () => void;
  again: () => void;
}

type Ask<T> = (signal: AbortSignal, tell: (steps: string[]) => void) => Promise<T>;

/**
 * Ask whenever `key` changes; a null key asks nothing. What was asked before stays on the page until its answer comes,
 * and is called off at the service where another question takes its place.
 */
export function useAsked<T>(key: string | null, ask: Ask<T>): Asked<T> {
  const [value, setValue] = useState<T | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [loading, setLoading] = useState(key !== null);
  const [cancelled, setCancelled] = useState(false);
  const [steps, setSteps] = useState<string[]>([]);
  const [round, setRound] = useState(0);
  const running = useRef<AbortController | null>(null);
  useEffect(() => {
    if (key === null) {
      setLoading(false);
      setValue(null);
      setProblem(null);
      return undefined;
    }
    const control = new AbortController();
    running.current = control;
    setLoading(true);
    setProblem(null);
    setCancelled(false);
    setSteps([]);
    ask(control.signal, setSteps)
      .then((told) => {
        if (!control.signal.aborted) setValue(told);
      })
      .catch((error: unknown) => {
        if (control.signal.aborted || (error instanceof DOMException && error.name === 'AbortError')) return;
        setProblem(error instanceof Problem ? error : new Problem(0, String(error), ''));
        setValue(null);
      })
      .finally(() => {
        if (running.current === control) setLoading(false);
      });
    return () => control.abort();
  }, [key, round]);
  const cancel = useCallback(() => {
    running.current?.abort();
    setLoading(false);
    setCancelled(true);
  }, []);
  const again = useCallback(() => setRound((before) => before + 1), []);
  return { value, problem, loading, steps, cancelled, cancel, again };
}

/** Something done once, by a click: whether it runs, and what went wrong. */
export function useDoing(): {
  busy: boolean;
  problem: Problem | null;
  run: (what: (signal: AbortSignal) => Promise<void>) => void;
  cancel: () => void;
} {
  const control = useRef<AbortController | null>(null);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const run = useCallback((what: (signal: AbortSignal) => Promise<void>) => {
    control.current = new AbortController();
    setBusy(true);
    setProblem(null);
    what(control.current.signal)
      .catch((error: unknown) => {
        if (error instanceof DOMException && error.name === 'AbortError') return;
        setProblem(error instanceof Problem ? error : new Problem(0, String(error), ''));
      })
      .finally(() => setBusy(false));
  }, []);
  const cancel = useCallback(() => control.current?.abort(), []);
  return { busy, problem, run, cancel };
}
