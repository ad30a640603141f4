/* A token bucket: `burst` at once, then `per_s` a second. Microtokens, so that slow rates round to nothing lost. */
#ifndef CAREOF_LIMITER_H
#define CAREOF_LIMITER_H

#include <stdbool.h>
#include <stdint.h>

struct limiter {
    uint64_t filled_us;
    uint64_t tokens_u;
};

static inline bool limiter_take(struct limiter *limiter, uint64_t now_us, uint32_t per_s, uint32_t burst)
{
    uint64_t full = (uint64_t)burst * 1000000;
    uint64_t passed_us = now_us - limiter->filled_us;
    /* Never used, or long enough ago to be full: no product that could overflow. */
    if (!limiter->filled_us || passed_us >= full / per_s)
        limiter->tokens_u = full;
    else if ((limiter->tokens_u += passed_us * per_s) > full)
        limiter->tokens_u = full;
    limiter->filled_us = now_us;
    if (limiter->tokens_u < 1000000)
        return false;
    limiter->tokens_u -= 1000000;
    return true;
}

#endif
