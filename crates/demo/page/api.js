// Requests to the JSON API.

// What was wrong with a request, and what to do.
export class Problem extends Error {
  constructor({ detail, hint, parameter, status }) {
    super(detail);
    Object.assign(this, { detail, hint, parameter, status });
  }
}

const UNREACHABLE = {
  detail: "The program does not answer.",
  hint: "Start t2f demo again; the page continues by itself.",
  status: 0,
};

// How often a request is repeated that the program has no time for.
const REPEATS = 3;

const pause = (seconds) => new Promise((resolve) => setTimeout(resolve, 1000 * seconds));

// The answer to a request: GET without a body, POST with one.
export async function ask(path, body, signal) {
  const options = body && {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  };
  for (let repeats = 0; ; repeats++) {
    let response;
    try {
      response = await fetch(path, { ...options, signal });
      if (response.ok) return await response.json();
    } catch (error) {
      if (signal?.aborted) throw error;
      throw new Problem(UNREACHABLE);
    }
    if (response.status !== 503 || repeats === REPEATS) throw new Problem(await told(response));
    await pause(Number(response.headers.get("Retry-After") ?? 1));
    signal?.throwIfAborted();
  }
}

async function told(response) {
  try {
    return await response.json();
  } catch {
    return { detail: `The program answers ${response.status}.`, hint: "Try again.", status: response.status };
  }
}
