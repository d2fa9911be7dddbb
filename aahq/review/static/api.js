// Talking to the server: answers, and a queue of decisions that survives a server that is away for a while.

let token = "";

export function useToken(value) { token = value; }

export async function get(path) {
  const answer = await fetch(path);
  if (!answer.ok) throw new Error(await explain(answer));
  return answer.json();
}

export function post(path, value) {
  return fetch(path, {
    method: "POST",
    headers: { "content-type": "application/json", "x-page-token": token },
    body: JSON.stringify(value),
  });
}

export async function explain(answer) {
  const text = await answer.text();
  try {
    const { detail } = JSON.parse(text);
    return typeof detail === "string" ? detail : detail[0].msg;
  } catch { return text || `status ${answer.status}`; }
}

export function nonce() {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

// Decisions go out in order, together where several wait; one leaves the queue when the server says that it is on disk.
export class Outbox {
  constructor(changed, refused) {
    this.waiting = [];
    this.busy = false;
    this.trouble = "";
    this.changed = changed;
    this.refused = refused;
    addEventListener("beforeunload", (event) => { if (this.waiting.length) event.preventDefault(); });
  }

  put(decisions) {
    this.waiting.push(...decisions);
    this.changed(this);
    this.send();
  }

  async send() {
    if (this.busy) return;
    this.busy = true;
    while (this.waiting.length) {
      const batch = this.waiting.slice(0, 500);
      try {
        const answer = await post("/api/decisions", { decisions: batch });
        if (answer.ok) {
          this.waiting.splice(0, batch.length);
          this.trouble = "";
        } else if (answer.status === 422) {
          const why = await explain(answer);
          this.waiting.splice(0, batch.length);
          this.refused(why);
        } else {
          this.trouble = await explain(answer);
        }
      } catch { this.trouble = "the server is away"; }
      this.changed(this);
      if (this.trouble) await new Promise((done) => setTimeout(done, 1000));
    }
    this.busy = false;
  }

  async drained() {
    while (this.waiting.length || this.busy) await new Promise((done) => setTimeout(done, 20));
  }
}
