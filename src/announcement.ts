/** What is said once the service can be used. `listening`: the URL as the server has it. */
export function announcement(listening: string): string[] {
  const url = listening.replace('127.0.0.1', 'localhost').replace('[::1]', 'localhost');
  return [`Tandem is ready at ${url}`, `Swagger UI: ${url}/docs`, 'Walk-through: README.md, "See it work"'];
}
