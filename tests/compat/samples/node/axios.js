// What the sample uses of axios, made on fetch: no registry is needed to run it.
async function request(method, url, body, { headers = {} } = {}) {
  const sent = body === undefined ? {} : { body: JSON.stringify(body) };
  const answer = await fetch(url, { method, headers: { 'Content-Type': 'application/json', ...headers }, ...sent });
  const data = await answer.json();
  if (answer.status < 200 || answer.status > 299) {
    throw new Error(`Request failed with status code ${answer.status}`);
  }
  return { status: answer.status, data };
}

module.exports = {
  get: (url, options) => request('GET', url, undefined, options),
  post: (url, body, options) => request('POST', url, body, options),
};
