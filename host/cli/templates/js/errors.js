// Errors as the contract has them.

// An error of which nothing had been changed by then, and that trying again cannot mend.
export function wrong(code, message) {
  return { class: 'permanent', certainty: 'not-done', code, message, details: [] };
}

// The step, in which what JavaScript itself throws becomes an error with its text: the engine
// would drop it. What a call of the host throws has a payload, and goes on as it is.
export function answering(calls) {
  const told = (call) => (...words) => {
    try {
      return call(...words);
    } catch (error) {
      if (!(error instanceof Error) || 'payload' in error) throw error;
      const message = `${error}\n${error.stack}`;
      throw { ...wrong('javascript-error', message), certainty: 'unknown' };
    }
  };
  return Object.fromEntries(Object.entries(calls).map(([name, call]) => [name, told(call)]));
}
