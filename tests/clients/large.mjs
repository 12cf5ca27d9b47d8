// Posts 5 MB eight times and prints the statuses.
for (let number = 0; number < 8; number++) {
  try {
    const answer = await fetch(process.argv[2], {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: "x".repeat(5_000_000),
    });
    await answer.text();
    console.log(answer.status);
  } catch (error) {
    console.log(String(error.cause ?? error).replace(/\s/g, "_"));
  }
}
