metadata(
    description="careofd: Mobile IPv4 home agent, foreign agent and mobile router, and the careof command.",
    version="0.1.0",
    license="Apache-2.0",
)

package("careof", base_path="..")
